//! `declic new`: a rule with its test, or a template, to begin with, which pass `check` and `test` as they are. Never
//! writes over a file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Failure;
use super::demo::shipped;
use crate::active::Checked;
use crate::domain::consent::Channel;
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile, render};
use crate::domain::rules::compile::{Compiled, compile};
use crate::domain::rules::{Basis, as_name, is_name};
use crate::files;

const RULE: &str = include_str!("rule.yaml");

const RULE_TEST: &str = include_str!("rule.test.yaml");

/// What is added to the test of a rule whose purpose can be refused.
const REFUSED: &str = "
  - name: Whoever said no gets nothing
    customers:
      alice: { consents: CONSENTS }
    events:
      - { event: EVENT, data: {} }
    expect:
";

const SAMPLE: &str = include_str!("sample.yaml");

/// Channel, file, language and words of a template to begin with.
const TEMPLATE: [(Channel, &str, &str, &str); 6] = [
    (Channel::Email, "mjml", "fr", include_str!("email.fr.mjml")),
    (Channel::Email, "txt", "fr", include_str!("email.fr.txt")),
    (Channel::Email, "mjml", "en", include_str!("email.en.mjml")),
    (Channel::Email, "txt", "en", include_str!("email.en.txt")),
    (Channel::Sms, "txt", "fr", include_str!("sms.fr.txt")),
    (Channel::Sms, "txt", "en", include_str!("sms.en.txt")),
];

/// What those include, by the beginning of its file's name.
const PARTIALS: [&str; 3] = ["head.", "header.", "footer."];

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// A rule, commented, with its test and the template that it sends
    Rule {
        #[command(flatten)]
        common: Common,
        /// The type of the event that starts it
        #[arg(long, value_name = "TYPE", default_value = "customer.signed_up")]
        event: String,
        /// Why we write: one of the policy's purposes
        #[arg(long, value_name = "PURPOSE", default_value = "marketing")]
        purpose: String,
    },
    /// A template, in French and English
    Template {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
pub struct Common {
    /// Its name: small letters, digits, `-` and `_`
    name: String,
    /// How it reaches the customer: one channel, or both as `email,sms`
    #[arg(long, value_enum, value_delimiter = ',', default_value = "email")]
    channel: Vec<ChannelArg>,
    /// The folder that holds `rules/` and `templates/`
    #[arg(long, value_name = "DIR", default_value = ".")]
    rules: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ChannelArg {
    Email,
    Sms,
}

impl Common {
    fn channels(&self) -> impl Iterator<Item = Channel> {
        [(ChannelArg::Email, Channel::Email), (ChannelArg::Sms, Channel::Sms)]
            .into_iter()
            .filter(|(asked, _)| self.channel.contains(asked))
            .map(|(_, channel)| channel)
    }
}

pub fn new(command: &Command) -> Result<(), Failure> {
    let (Command::Rule { common, .. } | Command::Template { common }) = command;
    check_name(&common.name)?;
    let mut existing = files::read(&common.rules)?;
    let compiled = compile(&existing);
    existing.extend(files::read_tests(&common.rules)?);
    let mut plan = Plan { existing: &existing, files: BTreeMap::new() };
    match command {
        Command::Rule { event, purpose, .. } => {
            plan.add(format!("rules/{}.yaml", common.name), rule(common, event, purpose, &compiled))?;
            // A test that was written before its rule says what the rule is to do.
            let test = format!("rules/{}.test.yaml", common.name);
            if !plan.is_there(&test) {
                plan.add(test, rule_test(common, event, purpose, &compiled))?;
            }
            for channel in common.channels() {
                // A template that is there already is the one to send.
                let folder = format!("templates/{}/{}.", common.name, channel.as_str());
                if !existing.iter().any(|file| file.path.starts_with(&folder)) {
                    plan.template(&common.name, channel, &compiled.rules.policy.default_locale)?;
                }
            }
        }
        Command::Template { .. } => {
            for channel in common.channels() {
                plan.template(&common.name, channel, &compiled.rules.policy.default_locale)?;
            }
        }
    }
    plan.check()?;
    plan.write(&common.rules)?;
    let then = match command {
        Command::Rule { .. } => "`declic check` and `declic test`",
        Command::Template { .. } => "`declic check`",
    };
    eprintln!("Next: change the words beside `declic preview {} --open`, then {then}.", common.name);
    Ok(())
}

fn check_name(name: &str) -> Result<(), Failure> {
    if matches!(name, "policy" | "events") {
        return Err(Failure::Refused(format!("`{name}` is the name of another file below rules/")));
    }
    if is_name(name) {
        return Ok(());
    }
    let help = match as_name(name) {
        near if near.is_empty() => String::new(),
        near => format!(", like `{near}`"),
    };
    let words = format!("`{name}` cannot be a name: use small letters, digits, `-` and `_`{help}");
    Err(Failure::Refused(words))
}

/// The text of a rule to begin with.
fn rule(common: &Common, event: &str, purpose: &str, compiled: &Compiled) -> String {
    let both = common.channels().count() == 2;
    let sends: Vec<String> =
        common.channels().map(|channel| format!("{}: {}", channel.as_str(), common.name)).collect();
    // A text that is planned for a Saturday evening must outlive the hours in which no SMS goes.
    let sms = common.channels().any(|channel| channel == Channel::Sms);
    let send = sends.join(", ") + if sms { ", expire_after: 3d" } else { "" };
    let words = match both {
        true => "On each channel that the customer agreed to; write `prefer: email` for one of them only.",
        false => "The template is a folder below templates/.",
    };
    let declared = compiled.events.as_ref().and_then(|events| events.fields(event));
    let fields = declared.map_or(String::new(), |fields| {
        let names: Vec<String> = fields.keys().map(|field| format!("data.{field}")).collect();
        format!(" It carries {}.", names.join(", "))
    });
    RULE.replace("FIELDS", &fields)
        .replace("EVENT", event)
        .replace("PURPOSE", purpose)
        .replace("SENDS", words)
        .replace("SEND", &send)
        .replace("NAME", &common.name)
}

/// The text of its test to begin with.
fn rule_test(common: &Common, event: &str, purpose: &str, compiled: &Compiled) -> String {
    let policy = &compiled.rules.policy;
    let basis = policy.purposes.get(purpose).map(|purpose| purpose.basis);
    let consents = |status: &str| {
        let each =
            common.channels().map(|channel| format!("{}: {{ {purpose}: {status} }}", channel.as_str()));
        format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
    };
    let mut profile = String::new();
    if common.channels().any(|channel| channel == Channel::Sms) {
        // Where the hours in which SMS may go are counted: those of the start.
        profile += &format!("    phone: +33612345678\n    timezone: {}\n", policy.default_timezone);
    }
    if basis == Some(Basis::Consent) {
        profile += &format!("    consents: {}\n", consents("granted"));
    }
    let messages = |before: &str, after: &str| -> String {
        let line = |channel: Channel| {
            format!("      - {{ {before}{}: {}{after} }}\n", channel.as_str(), common.name)
        };
        common.channels().map(line).collect()
    };
    let refused = match basis {
        Some(Basis::Contract) | None => String::new(),
        Some(_) => {
            REFUSED.replace("CONSENTS", &consents("withdrawn"))
                + &messages("", ", not_sent: consent_withdrawn")
        }
    };
    RULE_TEST
        .replace("PROFILE\n", &(profile + "\n"))
        .replace("SENT\n", &messages("at: 0m, ", ""))
        .replace("REFUSED\n", &refused)
        .replace("EVENT", event)
        .replace("NAME", &common.name)
}

/// Files to be written, by path.
struct Plan<'a> {
    existing: &'a [SourceFile],
    files: BTreeMap<String, String>,
}

impl Plan<'_> {
    fn is_there(&self, path: &str) -> bool {
        self.existing.iter().any(|file| file.path == path)
    }

    fn add(&mut self, path: String, text: String) -> Result<(), Failure> {
        if self.is_there(&path) {
            return Err(Failure::Refused(format!("{path} is there already; nothing was written")));
        }
        self.files.insert(path, text);
        Ok(())
    }

    /// A template in French, in English and, where customers get another language by default, in that: in English words,
    /// to be translated.
    fn template(&mut self, name: &str, channel: Channel, default_locale: &str) -> Result<(), Failure> {
        let language = default_locale.split('-').next().unwrap_or_default();
        let other = (!["fr", "en"].contains(&language)).then_some(language);
        for (_, extension, locale, text) in TEMPLATE.into_iter().filter(|(known, ..)| *known == channel) {
            let path = |locale: &str| format!("templates/{name}/{}.{locale}.{extension}", channel.as_str());
            self.add(path(locale), text.to_owned())?;
            if let Some(other) = other.filter(|_| locale == "en") {
                self.add(path(other), text.to_owned())?;
            }
        }
        let sample = format!("templates/{name}/sample.yaml");
        if !self.is_there(&sample) {
            self.files.insert(sample, SAMPLE.replace("NAME", name));
        }
        if channel == Channel::Email {
            self.partials(other);
        }
        Ok(())
    }

    /// What templates include and is not there yet; for another language in English words too.
    fn partials(&mut self, other: Option<&str>) {
        for (path, text) in shipped::FILES {
            let Some(name) = path.strip_prefix("templates/_partials/") else { continue };
            if !PARTIALS.iter().any(|begin| name.starts_with(begin)) {
                continue;
            }
            let translated = other.map(|other| path.replace(".en.", &format!(".{other}.")));
            for path in std::iter::once((*path).to_owned()).chain(translated) {
                if !self.is_there(&path) {
                    self.files.insert(path, (*text).to_owned());
                }
            }
        }
    }

    /// Whether the new files would pass; what is wrong with the old ones is not theirs to mend.
    fn check(&self) -> Result<(), Failure> {
        let new = self.files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() });
        let mut all: Vec<SourceFile> = self.existing.iter().cloned().chain(new).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        let (tests, files): (Vec<SourceFile>, Vec<SourceFile>) =
            all.iter().cloned().partition(|file| files::is_test(Path::new(&file.path)));
        let checked = Checked::new(&files);
        let ours =
            |found: &Diagnostic| found.severity == Severity::Error && self.files.contains_key(&found.path);
        let mut wrong: Vec<Diagnostic> =
            checked.diagnostics.iter().filter(|found| ours(found)).cloned().collect();
        // What is wrong with the rule would be said of its test again.
        if wrong.is_empty() {
            wrong = checked.scenarios(&files, &tests).1.into_iter().filter(ours).collect();
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let report = render(&wrong, &all, false);
        Err(Failure::Refused(format!("it would not pass `declic check`; nothing was written\n{report}")))
    }

    fn write(&self, folder: &Path) -> Result<(), Failure> {
        for (path, text) in &self.files {
            let target = folder.join(path);
            let write = || {
                fs::create_dir_all(target.parent().unwrap_or(folder))?;
                // Another may have made it since the folder was read.
                fs::File::create_new(&target)?.write_all(text.as_bytes())
            };
            write().map_err(|e| Failure::Environment(format!("cannot write {}: {e}", target.display())))?;
            println!("{}", target.display());
        }
        Ok(())
    }
}
