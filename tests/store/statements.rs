//! Every statement that the store sends, and which customers it is about: what can go to the one place where a customer
//! lives, and what has to ask everywhere. The tables of `docs/statements.md` are this list.
//!
//! A new statement fails this test until it has its line here and on the page (`BLESS=1` writes the page).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use Class::{Customers, Everywhere, House};

/// Whom a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Customers that it names: it can go to where they live. Checked against the statement itself.
    Customers,
    /// Customers that it does not name: it looks for them, or knows them by something else.
    Everywhere,
    /// No customer: small tables, which belong to the house as a whole.
    House,
}

/// (what is particular to a statement as [`simplified`], its class, what it is for and, if it asks everywhere, why).
const STATEMENTS: &[(&str, Class, &str)] = &[
    ("INSERT INTO events", Customers, "keep new ones"),
    ("FROM events WHERE customer_id AMONG AND type AMONG", Customers, "history for a decision"),
    ("FROM events WHERE customer_id = $1", Customers, "a customer's page"),
    (
        "FROM events WHERE customer_id AMONG AND time >= $2",
        Customers,
        "`declic simulate --history`: a page of customers at a time",
    ),
    ("UPDATE events SET data = NULL", Customers, "erasure"),
    (
        "INSERT INTO customers (customer_id, profile",
        Customers,
        "make those nobody knew, before anything is decided",
    ),
    ("FROM customers WHERE customer_id AMONG ORDER BY customer_id", Customers, "lock and load"),
    (
        "FROM suppressions WHERE channel = $2 AND address AMONG",
        Everywhere,
        "every place has the whole list, and asks its own",
    ),
    ("INSERT INTO customers (customer_id, email", Customers, "make new ones with their first profiles"),
    ("UPDATE customers SET email = r.email", Customers, "write profiles"),
    ("UPDATE customers SET phone", Customers, "write numbers"),
    ("UPDATE customers SET ledger_key", Customers, "write where ledgers end"),
    ("UPDATE customers SET email = NULL", Customers, "erasure"),
    (
        "FROM customers WHERE customer_id = $1",
        Customers,
        "lock one whose timers are set aside; is this an id?",
    ),
    ("INSERT INTO customer_dates", Customers, "write"),
    ("DELETE FROM customer_dates", Customers, "write anew, erasure"),
    ("INSERT INTO consents", Customers, "append"),
    ("status, at, shown_at, said FROM consents WHERE", Customers, "load the ledger"),
    ("JOIN consents c ON", Customers, "which facts are there already"),
    ("sealed FROM consents WHERE", Customers, "a ledger with its proofs"),
    ("UPDATE consents SET proof", Customers, "erasure"),
    ("INSERT INTO entries", Customers, "write"),
    ("DELETE FROM entries WHERE (customer_id", Customers, "drop after a re-fold"),
    ("FROM entries WHERE customer_id AMONG", Customers, "load, erasure"),
    ("FROM entries WHERE customer_id = $1 AND due_at <= $2", Customers, "a customer's due timers"),
    ("UPDATE entries SET due_at = NULL", Customers, "set these aside"),
    ("INSERT INTO messages", Customers, "into the outbox"),
    ("UPDATE messages SET state = r.state", Customers, "begin to send, record, release, settle"),
    ("UPDATE messages SET state = 'suppressed'", Customers, "erasure of what waits"),
    ("UPDATE messages SET updated_at = $2, erased", Customers, "erasure of what was"),
    ("SELECT customer_id, id, channel, purpose, slot_at", Customers, "what frequency caps count"),
    ("state || '' IN ('pending', 'deferred', 'claimed')", Customers, "who else waits for room"),
    ("FROM messages WHERE customer_id AMONG AND id AMONG", Customers, "what receipts are about"),
    ("UPDATE messages SET state = $4", Customers, "end what cannot be read"),
    ("JOIN entries e ON e.customer_id = r.customer_id", Customers, "exits that overtook what waits"),
    ("FROM sms_parts WHERE customer_id", Customers, "the parts of messages"),
    ("INSERT INTO outcomes", Customers, "into the outbox"),
    ("UPDATE outcomes SET data = NULL", Customers, "erasure"),
    (
        "WITH due AS MATERIALIZED",
        Everywhere,
        "claim due messages; whoever they are for, from one partial index. Each place has its own outbox",
    ),
    ("FROM entries e ", Everywhere, "take due timers and lock their customers; each place has its own"),
    (
        "MIN(due_at) FROM entries WHERE due_at IS NOT NULL",
        Everywhere,
        "when to look for timers next: one index entry",
    ),
    (
        "SELECT MIN(due_at) FROM messages WHERE state",
        Everywhere,
        "when to look at the outbox next: the open messages",
    ),
    (
        "FROM messages WHERE state IN ('claimed', 'sending') AND state = 'sending'",
        Everywhere,
        "hand-overs whose worker died; a partial index that is nearly empty",
    ),
    (
        "FROM messages WHERE id AMONG",
        Everywhere,
        "what cannot be read, by its columns, and what bounces are about: found by the id alone",
    ),
    ("FROM customer_dates WHERE attribute", Everywhere, "a page of an anniversary's sweep, by one index"),
    (
        "FROM customers WHERE customer_id > $1 AND erased_at IS NULL",
        Everywhere,
        "a page of a schedule's sweep, all zones; with an audience their profiles, 5,000 at once",
    ),
    ("FROM customers WHERE timezone = $3", Everywhere, "a page of a schedule's sweep, one zone"),
    ("WITH RECURSIVE zones", Everywhere, "the zones customers live in: one step of an index each"),
    (
        "former FROM customers WHERE phone AMONG",
        Everywhere,
        "whose number a STOP came from: only the number is known",
    ),
    ("INSERT INTO sms_parts", Everywhere, "the names providers give to parts are unique by themselves"),
    ("UPDATE sms_parts SET state", Everywhere, "receipts name parts, not customers"),
    ("FROM sms_receipts r JOIN sms_parts p", Everywhere, "receipts that have found their parts"),
    ("DELETE FROM sms_receipts WHERE provider_id", Everywhere, "receipts settled"),
    ("INSERT INTO sms_receipts", Everywhere, "a receipt may come before anybody knows its message"),
    ("DELETE FROM sms_receipts WHERE received_at", Everywhere, "forget what is old"),
    ("DELETE FROM sms_parts WHERE sent_at", Everywhere, "forget what is old"),
    ("INSERT INTO sms_inbound", Everywhere, "what came from a telephone, before it is known whose"),
    ("FROM sms_inbound WHERE meaning", Everywhere, "`declic messages inbound`: the latest, from one index"),
    (
        "DELETE FROM sms_inbound WHERE sender",
        Everywhere,
        "erasure: a text is known by its sender's number only",
    ),
    ("DELETE FROM sms_inbound WHERE received_at", Everywhere, "forget what is old"),
    (
        "FROM outcomes WHERE published_at IS NULL ORDER",
        Everywhere,
        "outcomes to publish, the oldest first; each place publishes its own",
    ),
    (
        "FROM outcomes WHERE published_at IS NULL AND id",
        Everywhere,
        "which of these are unpublished? Outcomes are known by their id: see above",
    ),
    ("UPDATE outcomes SET published_at", Everywhere, "note that these are published: by their id, too"),
    ("INSERT INTO promo_codes", Everywhere, "a code must be unique in the whole house"),
    ("valid_until FROM promo_codes WHERE code", Everywhere, "is a code taken? In the whole house"),
    (
        "/* all that is held */",
        Everywhere,
        "`declic customers export`, table by table: a text or a suppression is known by its address only",
    ),
    (
        "SELECT DISTINCT channel, lower(body->>'address')",
        Customers,
        "how they were written to: erasure, `declic customers export`",
    ),
    ("SELECT email FROM customers WHERE email", Everywhere, "erasure: does anybody else have this address?"),
    ("SELECT phone FROM customers WHERE phone", Everywhere, "erasure: or this number?"),
    (
        "SELECT address, at FROM suppressions",
        Everywhere,
        "what an erasure put there before they signed up again",
    ),
    ("DELETE FROM suppressions WHERE channel = $1", Everywhere, "erasure: a hash takes an address's place"),
    ("ledger_over_at FROM customers c", Everywhere, "`declic consents verify`: the ends of the chains"),
    ("hash, '') FROM consents", Customers, "`declic consents verify`: their lines"),
    ("INSERT INTO archive", Customers, "retention: what is archived"),
    ("UPDATE customers SET last_event_at", Customers, "retention: when they were last heard of"),
    ("AS k WHERE k.customer_id AMONG AND k.until", Customers, "retention: what is over in the archive"),
    ("SELECT DISTINCT k.customer_id FROM events AS k", Customers, "retention: who has any that are over"),
    ("SELECT DISTINCT k.customer_id FROM messages AS k", Customers, "retention: who has any that are over"),
    ("SELECT DISTINCT k.customer_id FROM entries AS k", Customers, "retention: who has any that are over"),
    ("SELECT DISTINCT k.customer_id FROM outcomes AS k", Customers, "retention: who has any that are over"),
    (
        "SELECT DISTINCT k.customer_id FROM promo_codes AS k",
        Customers,
        "retention: who has any that are over",
    ),
    (
        "SELECT k.customer_id FROM customers AS k WHERE k.customer_id AMONG AND k.erased_at",
        Customers,
        "retention: who has not been heard of, whose ledger is over",
    ),
    (
        "SELECT k.customer_id, k.ledger_key FROM customers AS k",
        Customers,
        "retention: lock those nobody holds",
    ),
    ("FROM events AS k WHERE k.customer_id AMONG AND k.time < $2 ORDER", Customers, "retention: the oldest"),
    ("DELETE FROM events WHERE (customer_id", Customers, "retention"),
    (
        "FROM messages AS k WHERE k.customer_id AMONG AND k.updated_at < $2 AND k.planned_at < $2 AND NOT (k.state IN ('pending', 'deferred', 'paused', 'claimed', 'sending')) ORDER",
        Customers,
        "retention: those that are over",
    ),
    ("DELETE FROM messages WHERE (customer_id", Customers, "retention"),
    (
        "FROM messages AS k WHERE k.customer_id AMONG ORDER",
        Customers,
        "retention: all of an archived customer",
    ),
    ("DELETE FROM outcomes WHERE id IN", Customers, "retention"),
    (
        "FROM promo_codes AS k WHERE k.customer_id AMONG AND k.valid_until < $2 AND NOT EXISTS",
        Customers,
        "retention: those that are over",
    ),
    (
        "DELETE FROM promo_codes AS k",
        Everywhere,
        "retention: by the code, which is unique in the whole house",
    ),
    ("SELECT k.customer_id, k.rule, k.occurrence, ", Customers, "retention: those without messages"),
    ("UPDATE entries SET body", Customers, "retention: what began them"),
    ("UPDATE entries SET status = 'ended'", Customers, "archive a customer"),
    ("DELETE FROM archive AS k", Customers, "erasure"),
    (
        "SELECT k.customer_id, CAST(k.profile AS text), k.phone",
        Customers,
        "retention: who has not been heard of",
    ),
    (
        "SELECT k.customer_id FROM archive AS k JOIN customers c",
        Customers,
        "retention: who is over in the archive",
    ),
    ("DELETE FROM archive WHERE customer_id AMONG AND until", Customers, "retention"),
    ("DELETE FROM archive WHERE customer_id AMONG AND kind", Customers, "take a customer out again"),
    ("SELECT k.customer_id, k.sealed FROM archive AS k", Customers, "take a customer out again"),
    ("UPDATE customers SET archived_at", Customers, "take out of the archive"),
    ("SELECT kind, since, until, sealed FROM archive", Customers, "`declic customers export`"),
    ("DELETE FROM consents WHERE customer_id", Customers, "retention: whole ledgers"),
    ("UPDATE customers SET ledger_length = 0", Customers, "retention: whole ledgers"),
    ("/* what is over */", Everywhere, "`declic retention report`, kind by kind: **reads whole tables**"),
    ("INSERT INTO retention_runs", House, "add to the day's sums"),
    ("FROM retention_runs ORDER", House, "`declic retention report`"),
    ("FROM retention_runs WHERE", House, "was anything deleted since it was tidied up?"),
    ("INSERT INTO suppressions", Everywhere, "an address has no customer; every place must know it"),
    ("FROM messages WHERE true", Everywhere, "`declic messages list`, by any column"),
    (
        "state, CAST(body AS text) FROM messages WHERE id = $1",
        Everywhere,
        "`declic messages show`: one look at an index",
    ),
    (
        "FROM few WHERE",
        Everywhere,
        "a page of messages that are few: a customer's, or in senders' hands; from their index",
    ),
    (
        "COUNT(*) FROM (SELECT id FROM messages",
        Everywhere,
        "are those that wait few? At most 5,001 entries of a partial index",
    ),
    (
        "SELECT planned_at, id FROM messages WHERE",
        Everywhere,
        "where the window of a page of messages ends: at most 10,000 entries of an index",
    ),
    ("/* a page */", Everywhere, "a page of messages: at most 10,000 rows, along an index"),
    (
        "SELECT customer_id FROM customers WHERE email AMONG",
        Everywhere,
        "whose address is this? One index entry",
    ),
    (
        "SELECT customer_id FROM customers WHERE customer_id >= $1",
        Everywhere,
        "whose id begins like this? The first few of a range",
    ),
    (
        "SELECT customer_id FROM customers WHERE email >= $1",
        Everywhere,
        "whose address begins like this? The first few of a range",
    ),
    (
        "SELECT customer_id FROM messages WHERE id = $1",
        Everywhere,
        "whose message is this? One look at an index",
    ),
    ("SELECT customer_id, code FROM promo_codes", Everywhere, "whose code is this? In the whole house"),
    ("valid_until FROM promo_codes WHERE customer_id = $1", Customers, "a customer's codes"),
    (
        "SELECT (SELECT COUNT(*) FROM messages WHERE state",
        Everywhere,
        "`declic paused`: the open messages only",
    ),
    (
        "WITH over AS MATERIALIZED",
        Everywhere,
        "let a resumed rule's messages go: an index of those set aside",
    ),
    ("SELECT state, COUNT(*) FROM messages WHERE state", Everywhere, "gauges: the open messages only"),
    ("SELECT MIN(due_at) FROM (SELECT MIN", Everywhere, "gauges: one index entry a lane"),
    ("COUNT(*) FROM entries WHERE status", Everywhere, "gauges: the open entries only"),
    ("MIN(due_at) FROM entries WHERE due_at <= $1", Everywhere, "gauges: one index entry"),
    ("COUNT(*) FROM outcomes", Everywhere, "gauges: the unpublished only"),
    ("COUNT(*) FROM messages GROUP BY state", Everywhere, "totals for pages: **reads the whole table**"),
    ("FROM customers WHERE customer_id > $1 ORDER BY", Everywhere, "`declic customers` in pages"),
    (
        "SELECT MAX(received_at) FROM events",
        Everywhere,
        "`declic restored`: is any event newer than the back-up? **Reads the whole table**",
    ),
    ("'sending') AND id > $1", Everywhere, "`declic restored`: what was under way, in pages by id"),
    (
        "INSERT INTO sent_before_restore",
        Everywhere,
        "`declic restored`: what is known to have gone; its list names messages, not customers",
    ),
    ("FROM sent_before_restore", Everywhere, "did these go before a restore? Known by their id: see above"),
    (
        "FROM customers AS k WHERE k.customer_id > $1",
        Everywhere,
        "`declic maintain`: who is in another form than the one configured, in pages",
    ),
    (
        "FROM customers WHERE CAST(profile AS text) LIKE $1",
        Everywhere,
        "who is encrypted with a secret that is missing: **reads the whole table**, when nothing starts",
    ),
    ("FROM customers WHERE erased_at > $1", Everywhere, "was anybody erased lately? One index entry"),
    ("wal_checkpoint", House, "let go of what was erased"),
    ("SET statement_timeout", House, "for as long as it takes"),
    ("INSERT INTO bounces", Everywhere, "a report may come before anybody knows its message"),
    ("FROM bounces b JOIN messages m", Everywhere, "reports that have found their messages"),
    (
        "FROM bounces b WHERE b.settled_at IS NULL AND b.message_id = ''",
        Everywhere,
        "reports that name an address only",
    ),
    (
        "SELECT m.id FROM customers c JOIN messages m",
        Everywhere,
        "the last mail to an address: who has it, then theirs",
    ),
    ("UPDATE bounces SET message_id", Everywhere, "name the message of one"),
    ("FROM bounces b WHERE b.id", Everywhere, "take these to settle them"),
    ("UPDATE bounces SET settled_at", Everywhere, "note that these are settled"),
    ("UPDATE bounces SET address = $2", Everywhere, "note whose address it was"),
    ("UPDATE bounces SET address = NULL", Everywhere, "erasure: a report knows its message only"),
    (
        "COUNT(DISTINCT message_id) FROM bounces",
        Everywhere,
        "how many soft ones an address has had: a range of an index",
    ),
    ("DELETE FROM bounces", Everywhere, "forget what is old"),
    ("ORDER BY at DESC, channel, address LIMIT", Everywhere, "`declic suppressions list`"),
    ("RETURNING channel, address, reason", Everywhere, "`declic suppressions remove`"),
    ("INSERT INTO dead_letters", House, "park"),
    ("FROM dead_letters", House, "list, show, remove"),
    ("UPDATE dead_letters SET reason", House, "note why it was refused again"),
    ("INSERT INTO sweeps", House, "record"),
    ("FROM sweeps WHERE state", House, "take one"),
    ("UPDATE sweeps SET state", House, "move its cursor"),
    ("FROM sweeps WHERE rule", House, "`declic explain`: the last of one rule"),
    ("FROM sweep_marks", House, "until when ticks were looked at"),
    ("INSERT INTO sweep_marks", House, "move it on"),
    ("SELECT MAX(generation) FROM rule_sets", House, "did the rules change?"),
    ("FROM rule_sets ORDER BY generation DESC LIMIT 1", House, "the active set"),
    ("published_at FROM rule_sets ORDER", House, "when the newest sets came into force"),
    ("INSERT INTO figures", House, "add what was counted"),
    ("FROM figures WHERE", House, "figures over time, of each rule, of one; forget what is old"),
    ("INSERT INTO rule_sets", House, "publish"),
    ("DELETE FROM rules_in_force", House, "publish"),
    ("INSERT INTO rules_in_force", House, "publish"),
    ("SELECT rule, since FROM rules_in_force", House, "since when"),
    ("SELECT source FROM rule_versions", House, "what an entry is pinned to"),
    ("INSERT INTO rule_versions", House, "keep"),
    (
        "SELECT rule, version, first_seen FROM rule_versions",
        House,
        "`declic explain`: since when a rule is what it is",
    ),
    ("FROM template_versions", House, "what a message is pinned to"),
    ("INSERT INTO template_versions", House, "keep"),
    ("INSERT INTO pauses", House, "pause"),
    ("FROM pauses ORDER", House, "what is paused, four times a second"),
    ("SELECT target FROM pauses", House, "does it last?"),
    ("UPDATE pauses SET", House, "resume; none is set aside any more"),
    ("INSERT INTO audit", House, "what operators do"),
    ("FROM audit", House, "`declic audit`"),
    ("FROM settings", House, "read"),
    ("INSERT INTO settings", House, "put once; note the database's new place"),
    ("INSERT INTO restores", House, "record"),
    ("FROM restores", House, "what was forgotten, and when"),
    ("FROM pg_control_system()", House, "where the database lives"),
    ("FROM pg_class c WHERE c.oid", House, "which tables this role may not VACUUM"),
    ("FROM pg_class c WHERE c.relnamespace", House, "`declic doctor`: which tables it may not use"),
    ("SELECT NOW", House, "`declic doctor`: the database's clock"),
    ("declic_schema", House, "migrate, and check at the start"),
    ("SET LOCAL ", House, "migrate"),
    ("pg_advisory_xact_lock", House, "one migrates or publishes at a time"),
];

/// Tables whose rows belong to one customer and say so.
const KEYED: &[&str] = &[
    "customers",
    "customer_dates",
    "consents",
    "events",
    "entries",
    "messages",
    "outcomes",
    "promo_codes",
    "sms_parts",
    "archive",
];

const TABLES: &[&str] = &[
    "customers",
    "customer_dates",
    "consents",
    "events",
    "entries",
    "messages",
    "outcomes",
    "promo_codes",
    "archive",
    "suppressions",
    "bounces",
    "sms_parts",
    "sms_receipts",
    "sms_inbound",
    "sweeps",
    "sweep_marks",
    "rule_sets",
    "rule_versions",
    "rules_in_force",
    "template_versions",
    "dead_letters",
    "figures",
    "retention_runs",
    "settings",
    "restores",
    "sent_before_restore",
    "declic_schema",
];

const PAGE: &str = "docs/statements.md";
const BEGIN: &str = "<!-- statements: written by tests/store/statements.rs -->";
const END: &str = "<!-- end of statements -->";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_is_in_its_class() {
    crate::every_test_on_both().await;
    let seen: BTreeSet<String> =
        declic::store::statements::seen().iter().map(|sql| simplified(sql)).collect();
    let mut wrong = Vec::new();
    let mut used: BTreeMap<usize, String> = BTreeMap::new();
    for statement in &seen {
        let found: Vec<usize> =
            (0..STATEMENTS.len()).filter(|n| statement.contains(STATEMENTS[*n].0)).collect();
        match found[..] {
            [n] if STATEMENTS[n].1 == Customers && !names_customers(statement) => {
                wrong.push(format!("does not name its customers: {statement}"));
            }
            [n] => _ = used.entry(n).or_insert_with(|| statement.clone()),
            [] => wrong.push(format!("is in no class: {statement}")),
            _ => wrong.push(format!("is in the list {} times: {statement}", found.len())),
        }
    }
    for (n, (holds, ..)) in STATEMENTS.iter().enumerate() {
        if !used.contains_key(&n) {
            wrong.push(format!("was never sent: {holds}"));
        }
    }
    for (file, parts) in in_the_source() {
        if !seen.iter().any(|statement| holds_in_order(statement, &parts)) {
            wrong.push(format!("stands in {file} and no test of the store sends it: {}", parts.join(" … ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    the_page_says_so(&used);
}

/// A statement in one shape for both databases.
fn simplified(sql: &str) -> String {
    let mut text = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let shapes = [
        ("= ANY($", "::text[])", "AMONG"),
        ("IN (SELECT value FROM json_each($", "))", "AMONG"),
        ("UNNEST($", "AS r(", "ROWS("),
        ("(SELECT value->", ") AS r", "ROWS"),
        ("(SELECT clock_timestamp())", "", "NOW"),
        ("clock_timestamp()", "", "NOW"),
        ("strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'", ")", "NOW"),
    ];
    for (begin, end, word) in shapes {
        while let Some(at) = text.find(begin) {
            let Some(length) = text[at + begin.len()..].find(end) else { break };
            text.replace_range(at..at + begin.len() + length + end.len(), word);
        }
    }
    text
}

fn names_customers(statement: &str) -> bool {
    let named = [
        "customer_id AMONG",
        "customer_id = $1",
        "customer_id = r.customer_id",
        "(customer_id, ",
        "SELECT r.customer_id, ",
    ];
    let written = statement.starts_with("INSERT INTO outcomes (id, customer_id");
    tables(statement).iter().all(|table| KEYED.contains(table))
        && (written || named.iter().any(|form| statement.contains(form)))
}

fn tables(statement: &str) -> Vec<&'static str> {
    let words: Vec<&str> = statement.split([' ', '(', ')', ',']).collect();
    let after = words.windows(2).filter(|pair| matches!(pair[0], "FROM" | "JOIN" | "INTO" | "UPDATE"));
    after.filter_map(|pair| TABLES.iter().find(|table| **table == pair[1]).copied()).collect()
}

/// The statements that stand in the store's source, each as its fixed parts.
fn in_the_source() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/store");
    for path in std::fs::read_dir(folder).expect("the store").map(|entry| entry.expect("a file").path()) {
        let text = std::fs::read_to_string(&path).expect("a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for verb in ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "] {
            let begin = format!("\"{verb}");
            for (at, _) in text.match_indices(&begin) {
                let literal = literal(&text[at + 1..]);
                let parts = literal.split('\0').map(simplified).filter(|part| !part.is_empty()).collect();
                found.push((path.display().to_string(), parts));
            }
        }
    }
    assert!(found.len() > 60, "only {} statements found in the source", found.len());
    found
}

/// A string literal's text up to its closing quote; what is put in when it runs is one NUL.
fn literal(rest: &str) -> String {
    let mut out = String::new();
    let mut characters = rest.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => out.extend(characters.next()),
            '{' | '}' if characters.peek() == Some(&c) => out.extend(characters.next()),
            '{' => {
                for _ in characters.by_ref().take_while(|c| *c != '}') {}
                out.push('\0');
            }
            other => out.push(other),
        }
    }
    out
}

fn holds_in_order(statement: &str, parts: &[String]) -> bool {
    let mut rest = statement;
    parts.iter().all(|part| match rest.find(part.as_str()) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// The tables of the page.
fn the_page_says_so(used: &BTreeMap<usize, String>) {
    let table_of = |n: &usize| tables(&used[n]).first().copied().unwrap_or("declic_schema");
    let grouped = |class: Class| {
        let mut rows: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (n, (_, _, what)) in STATEMENTS.iter().enumerate().filter(|(_, s)| s.1 == class) {
            let place = TABLES.iter().position(|table| *table == table_of(&n)).unwrap_or(TABLES.len());
            rows.entry(place).or_default().push(what);
        }
        rows.into_iter()
            .map(|(place, mut what)| {
                what.dedup();
                format!("| `{}` | {} |\n", TABLES.get(place).unwrap_or(&"none"), what.join("; "))
            })
            .collect::<String>()
    };
    let everywhere: String = STATEMENTS
        .iter()
        .enumerate()
        .filter(|(_, s)| s.1 == Everywhere)
        .map(|(n, (_, _, why))| format!("| `{}` | {why} |\n", table_of(&n)))
        .collect();
    let count = |class| STATEMENTS.iter().filter(|s| s.1 == class).count();
    let written = format!(
        "\nOf {} statements {} name their customers and can go to where these live:\n\n| table | for |\n| --- | --- |\n{}\n\
         {} ask everywhere, or run once in each place:\n\n| table | what, and why |\n| --- | --- |\n{everywhere}\n\
         {} are about the house:\n\n| table | for |\n| --- | --- |\n{}\n",
        STATEMENTS.len(),
        count(Customers),
        grouped(Customers),
        count(Everywhere),
        count(House),
        grouped(House),
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("where the statements begin");
    let (printed, after) = rest.split_once(END).expect("where the statements end");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}\n{written}{END}{after}"))
            .expect("the page is written");
    } else {
        assert_eq!(printed.trim(), written.trim(), "{PAGE} is out of date: run this test with BLESS=1");
    }
}
