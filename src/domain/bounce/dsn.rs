//! Delivery status notifications (RFC 3464, RFC 6533): groups of fields, one for the mail and one for each recipient.

use super::classes::{self, Status};
use super::mail::{Mail, fields};
use super::{Kind, MOST_NAMED, Reading, Report, addresses, tidied};

/// One recipient's part of the report.
struct Recipient {
    named: Vec<String>,
    action: Action,
    status: Option<Status>,
    words: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Failed,
    Delayed,
    Delivered,
}

/// None where there is no such report, or one that says nothing: then its prose may.
pub fn read(mail: &Mail<'_>) -> Option<Reading> {
    let recipients: Vec<Recipient> =
        groups(mail.delivery_status.as_deref()?).iter().filter_map(|fields| recipient(fields)).collect();
    let with = |action: Action| recipients.iter().filter(move |r| r.action == action);
    let Some(first) = with(Action::Failed).next() else {
        return match (with(Action::Delayed).next(), recipients.is_empty()) {
            (_, true) => None,
            (Some(_), _) => Some(Reading::Delayed),
            (None, _) => Some(Reading::Delivered),
        };
    };
    // A mail of ours has one recipient; several are what that address was expanded to, and the address is good as long
    // as one of them may be.
    let all_hard = recipients
        .iter()
        .all(|r| r.action == Action::Failed && classes::kind(r.status, &said(r, mail)) == Kind::Hard);
    let mut named: Vec<String> = Vec::new();
    let failed = with(Action::Failed).flat_map(|r| r.named.clone());
    for address in failed.chain(mail.addressed_to()) {
        if !named.contains(&address) && named.len() < MOST_NAMED {
            named.push(address);
        }
    }
    Some(Reading::Report(Report {
        kind: if all_hard { Kind::Hard } else { Kind::Soft },
        status: first.status.map(|status| status.to_string()),
        detail: tidied(&first.words),
        recipients: named,
        about: mail.about(false),
    }))
}

/// The server's words; where the field says nothing, those of the prose.
fn said(recipient: &Recipient, mail: &Mail<'_>) -> String {
    if recipient.words.is_empty() { mail.text.clone() } else { recipient.words.clone() }
}

/// The blocks between empty lines.
fn groups(text: &str) -> Vec<Vec<(String, String)>> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        match blocks.last_mut() {
            Some(block) if !line.trim().is_empty() => {
                block.push_str(line);
                block.push('\n');
            }
            Some(block) if !block.is_empty() => blocks.push(String::new()),
            _ => {}
        }
    }
    blocks.iter().map(|block| fields(block)).filter(|fields| !fields.is_empty()).collect()
}

fn recipient(fields: &[(String, String)]) -> Option<Recipient> {
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
    let (diagnostic, status) = (field("diagnostic-code"), field("status"));
    let words = diagnostic.split_once(';').map_or(diagnostic, |(_, words)| words).trim().to_owned();
    let status_words = status.split_once(' ').map_or("", |(_, words)| words);
    let words = if words.is_empty() { status_words.trim_matches(['(', ')']).to_owned() } else { words };
    let status = Status::better(Status::find(status), Status::find(&words));
    let action = match (field("action").trim().to_ascii_lowercase(), status.map(|s| s.class)) {
        (word, _) if word.starts_with("fail") => Action::Failed,
        (word, _) if word.starts_with("delay") => Action::Delayed,
        (word, _) if ["delivered", "relayed", "expanded"].iter().any(|w| word.starts_with(w)) => {
            Action::Delivered
        }
        (_, Some(5)) => Action::Failed,
        (_, Some(4)) => Action::Delayed,
        (_, Some(_)) => Action::Delivered,
        (_, None) => return None,
    };
    let named = ["original-recipient", "final-recipient", "x-actual-recipient"];
    let named = named.iter().flat_map(|name| addresses(field(name).rsplit(';').next().unwrap_or_default()));
    Some(Recipient { named: named.collect(), action, status, words })
}
