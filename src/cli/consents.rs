//! `declic consents`: the ledger of what customers agreed to, and whether anybody has altered it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::table::{self, Format};
use super::{Failure, environment, progress};
use crate::domain::chain::{self, End};
use crate::store::{KeptLedger, Store};

/// Customers whose ledgers are read at once.
const AT_ONCE: u32 = 500;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Shows a customer's ledger, the oldest first: every word on consent, with its proof
    Show {
        /// The customer's id
        id: String,
        /// How it is printed; JSON holds the whole proofs
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Follows the chain of every ledger, or of one customer's; exit code 1 where something was altered
    ///
    /// Each line carries a hash, keyed with the secret, over itself and the line before: a line altered, put in or taken
    /// out shows. Whoever can write to the database could still cut a ledger short together with its noted end; against
    /// that, keep the ends elsewhere with `--note` and compare with `--against`.
    Verify {
        /// Only this customer's
        id: Option<String>,
        /// Writes where each chain ends into a file, to be kept outside of the database
        #[arg(long, value_name = "FILE")]
        note: Option<PathBuf>,
        /// Compares with such a file, written earlier
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
    },
}

pub async fn consents(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    match command {
        Command::Show { id, format } => show(&store, &id, format).await,
        Command::Verify { id, note, against } => {
            verify(&store, id.as_deref(), note.as_deref(), against.as_deref()).await
        }
    }
}

async fn show(store: &Store, id: &str, format: Format) -> Result<(), Failure> {
    let customer = store.customer(id).await.map_err(environment::failed)?;
    let customer = customer.ok_or_else(|| Failure::Refused(format!("there is no customer `{id}`")))?;
    let mut rows: Vec<Value> = customer.consents.0.iter().map(|fact| json!(fact)).collect();
    if format == Format::Table {
        for row in &mut rows {
            row["proof"] = match &row["proof"] {
                Value::Object(proof) => Value::from(in_one_line(proof)),
                other => other.clone(),
            };
        }
    }
    table::print(&rows, &["at", "channel", "purpose", "status", "proof", "event_source", "event_id"], format)
        .map_err(environment::failed)
}

fn in_one_line(proof: &serde_json::Map<String, Value>) -> String {
    let pairs = proof.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// Where a chain ended when it was noted: a line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    customer: String,
    length: i64,
    head: String,
}

#[derive(Debug, Default)]
struct Totals {
    ledgers: usize,
    linked: i64,
    unlinked: i64,
    erased_proofs: i64,
    /// Ledgers that were deleted whole, and what was noted of them with them.
    over: usize,
    faults: usize,
}

async fn verify(
    store: &Store,
    id: Option<&str>,
    note: Option<&Path>,
    against: Option<&Path>,
) -> Result<(), Failure> {
    let mut noted = against.map(read_noted).transpose()?.unwrap_or_default();
    if let Some(id) = id {
        noted.retain(|customer, _| customer == id);
    }
    let mut out = note.map(std::fs::File::create).transpose().map_err(|e| cannot("write", note, &e))?;
    let keys = store.ledger_keys();
    if keys.is_empty() {
        return Err(Failure::Refused("DECLIC_SECRET is not set: the chain is keyed with it".to_owned()));
    }
    let mut totals = Totals::default();
    let mut after = String::new();
    let bar = progress::bar(0, "ledgers");
    loop {
        let page = match id {
            Some(id) => store.kept_ledger(id).await.map(|kept| kept.into_iter().collect()),
            None => store.kept_ledgers(&after, AT_ONCE).await,
        };
        let page: Vec<KeptLedger> = page.map_err(environment::failed)?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.customer_id);
        for kept in &page {
            let end = noted.remove(&kept.customer_id);
            totals.add(kept, &keys, end.as_ref());
            let End { length, head } = kept.end.clone();
            if let Some(out) = &mut out {
                let line = json!(Noted { customer: kept.customer_id.clone(), length, head });
                writeln!(out, "{line}").map_err(|e| cannot("write", note, &e))?;
            }
            bar.inc(1);
        }
        if id.is_some() {
            break;
        }
    }
    bar.finish_and_clear();
    for customer in noted.keys() {
        totals.faults += 1;
        eprintln!("{customer}: the ledger that was noted is gone");
    }
    totals.tell()
}

impl Totals {
    fn add(&mut self, kept: &KeptLedger, keys: &[Vec<u8>], noted: Option<&End>) {
        if kept.was_over {
            self.over += 1;
            // Where it stood before is gone by right; what was agreed to since begins a chain anew.
            if kept.lines.is_empty() && kept.end.length == 0 {
                return;
            }
        }
        let noted = noted.filter(|_| !kept.was_over);
        let report = chain::verify(keys, &kept.customer_id, &kept.lines, &kept.end, kept.was_erased, noted);
        for fault in &report.faults {
            eprintln!("{}: {fault}", kept.customer_id);
        }
        self.ledgers += 1;
        self.linked += report.linked;
        self.unlinked += report.unlinked;
        self.erased_proofs += report.erased_proofs;
        self.faults += report.faults.len();
    }

    fn tell(&self) -> Result<(), Failure> {
        println!(
            "{} ledgers: {} lines in their chains, {} from before there was a chain, {} proofs erased with their customers",
            self.ledgers, self.linked, self.unlinked, self.erased_proofs
        );
        if self.over > 0 {
            println!("{} ledgers were deleted whole at the end of their retention", self.over);
        }
        match self.faults {
            0 => Ok(()),
            faults => Err(Failure::Refused(format!(
                "{faults} places are not as they were recorded (above), or were recorded under a secret that is not given"
            ))),
        }
    }
}

fn read_noted(file: &Path) -> Result<BTreeMap<String, End>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| cannot("read", Some(file), &e))?;
    let lines = text.lines().enumerate().map(|(number, line)| {
        let noted: Noted = serde_json::from_str(line)
            .map_err(|e| Failure::Refused(format!("{}:{}: {e}", file.display(), number + 1)))?;
        Ok((noted.customer, End { length: noted.length, head: noted.head }))
    });
    lines.collect()
}

fn cannot(what: &str, file: Option<&Path>, error: &std::io::Error) -> Failure {
    let file = file.unwrap_or_else(|| Path::new("")).display();
    Failure::Refused(format!("cannot {what} {file}: {error}"))
}
