//! Complaints: feedback reports (RFC 5965), as mailbox providers send them when a reader calls a mail unwanted.

use super::mail::{Mail, fields};
use super::{Kind, MOST_NAMED, Reading, Report, addresses, tidied};

/// None where there is no such report.
pub fn read(mail: &Mail<'_>) -> Option<Reading> {
    let report = fields(mail.feedback.as_deref()?);
    let field = |name: &str| report.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
    let kind = field("feedback-type").trim().to_ascii_lowercase();
    // RFC 5965 7.3 and RFC 6430: `auth-failure`, `virus` and `other` tell of something else, `not-spam` takes it back.
    if !["abuse", "fraud", "opt-out", "opt-out-list", "complaint"].contains(&kind.as_str()) {
        return Some(Reading::NoComplaint);
    }
    let mut recipients: Vec<String> = Vec::new();
    let named = ["original-rcpt-to", "removal-recipient"];
    let named = report.iter().filter(|(name, _)| named.contains(&name.as_str()));
    for address in named.flat_map(|(_, value)| addresses(value)).chain(mail.addressed_to()) {
        if !recipients.contains(&address) && recipients.len() < MOST_NAMED {
            recipients.push(address);
        }
    }
    let agent = field("user-agent");
    Some(Reading::Report(Report {
        kind: Kind::Complaint,
        status: None,
        detail: tidied(&format!("{kind} {agent}")),
        recipients,
        about: mail.about(false),
    }))
}
