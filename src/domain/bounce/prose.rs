//! Reports from before and beside the standard: qmail (QSBMF), Exim, Exchange, Yahoo and whoever else writes for people.
//!
//! Words decide, so this is asked last, and only of mails that come from servers.

use super::classes::{self, Status};
use super::mail::Mail;
use super::{MOST_NAMED, Reading, Report, addresses, tidied};

/// Said of a mail that has come back.
const FAILED: &[&str] = &[
    "undeliver",
    "not be delivered",
    "couldn't be delivered",
    "not delivered",
    "wasn't able to deliver",
    "was not able to deliver",
    "unable to deliver",
    "not able to deliver",
    "could not deliver",
    "couldn't deliver",
    "cannot deliver",
    "can not be delivered",
    "cannot be delivered",
    "can't be delivered",
    "delivery failed",
    "delivery failure",
    "delivery has failed",
    "delivery error",
    "delivery status notification",
    "failure notice",
    "failed permanently",
    "permanent error",
    "permanent fatal errors",
    "permanent failure",
    "fatal error",
    "did not reach",
    "returned mail",
    "returned message",
    "returned to sender",
    "mail failure",
    "mail error",
    "user unknown",
    "unknown user",
    "no such user",
    "does not exist",
    "delivery to the following recipient",
    "following address",
    "not deliverable",
    "error report",
    "have failed",
    "failed to deliver",
    "rejected",
    "mailbox is full",
    "over quota",
    "delivery problem",
    "non remis",
    "non distribu",
    "n'a pas pu être",
    "n'a pu être",
    "échec",
    "unzustellbar",
    "no se pudo",
    "couldn't send",
    "could not be sent",
    "mail system error",
    "message status",
    "unknown recipient",
    "mailbox unavailable",
    "sorry",
    "could not process",
    "invalid recipient",
    "host unknown",
    "unrouteable",
    "undelivarable",
];

/// Said of a mail that is still under way.
const DELAYED: &[&str] = &[
    "warning message only",
    "has been delayed",
    "will be retried",
    "do not need to resend",
    "not been delivered within",
    "not yet been delivered",
    "still trying",
    "could not be delivered for",
    "delivery attempts will continue",
    "will keep trying",
    "(delay)",
    "warning: could not send",
    "delayed mail",
    "transient non-fatal",
    "could not send message for past",
    "will continue to",
    "has not yet been",
    "could not be delivered yet",
    "message delayed",
    "delivery delayed",
    "temporarily undeliverable",
];

/// Where the mail that has come back begins.
const RETURNED: &[&str] = &[
    "below this line is a copy",
    "this is a copy of",
    "copy of the message",
    "copy of your message",
    "original message",
    "unsent message",
    "message header",
    "headers follow",
    "message follows",
    "returned message",
    "received: from",
    "original mail",
    "your message reads",
    "text of your message",
    "undelivered message",
    "message text",
    "--- the message",
];

/// None for a mail that is no report.
pub fn read(mail: &Mail<'_>) -> Option<Reading> {
    let failed = addresses(&mail.header("X-Failed-Recipients"));
    if !mail.is_from_a_server() && failed.is_empty() && !has_telling_subject(mail.subject()) {
        return None;
    }
    let prose = before_the_copy(&mail.text);
    let all = format!("{}\n{prose}", mail.subject()).replace(['\u{2019}', '\u{2018}'], "'");
    let flat = all.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if DELAYED.iter().any(|words| flat.contains(words)) {
        return Some(Reading::Delayed);
    }
    if failed.is_empty() && !FAILED.iter().any(|words| flat.contains(words)) {
        return None;
    }
    // Our own return path is no recipient.
    let told = addresses(&mail.header("To"));
    let mut recipients = failed;
    // Exchange names whom the mail was addressed to first, and then who did not get it.
    let after = prose.find("did not reach").map_or("", |at| &prose[at..]);
    for address in [addresses(after), addresses(&prose), mail.addressed_to()].concat() {
        let server = ["postmaster@", "mailer-daemon@", "abuse@", "helpdesk@", "support@"];
        let ours = server.iter().any(|name| address.starts_with(name)) || told.contains(&address);
        if !ours && !recipients.contains(&address) && recipients.len() < MOST_NAMED {
            recipients.push(address);
        }
    }
    let status = Status::find(&prose).filter(|status| status.class != 2).or_else(|| by_reply_code(&prose));
    let kind = classes::kind(status, &flat);
    let status = status.map(|status| status.to_string());
    Some(Reading::Report(Report {
        kind,
        status,
        detail: tidied(&reason(&prose)),
        recipients,
        about: mail.about(true),
    }))
}

/// Whether nothing but a report has this subject.
fn has_telling_subject(subject: &str) -> bool {
    const SUBJECTS: &[&str] = &[
        "returned mail",
        "undeliverable",
        "undelivered mail",
        "mail delivery failed",
        "failure notice",
        "delivery status notification",
        "delivery failure",
        "mail delivery failure",
    ];
    let subject = subject.trim().to_lowercase();
    SUBJECTS.iter().any(|known| subject.starts_with(known))
}

/// The report without the mail that it returns as text.
fn before_the_copy(text: &str) -> String {
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        if number > 0
            && RETURNED.iter().any(|words| {
                lower.trim_start().trim_start_matches(['-', ' ', '=', '*', '_']).starts_with(words)
            })
        {
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The class alone, from a reply of SMTP (RFC 5321 4.2) that has no enhanced code.
fn by_reply_code(text: &str) -> Option<Status> {
    for line in text.lines() {
        let mut words = line.split([' ', '\t', '-', ':', '<', '(']).peekable();
        while let Some(word) = words.next() {
            let is_code = word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
            let class = if is_code { word.as_bytes()[0] - b'0' } else { 0 };
            if matches!(class, 4 | 5) && words.peek().is_some() {
                return Some(Status { class, subject: 0, detail: 0 });
            }
        }
    }
    None
}

/// The line that tells why: with a code in it, or else the first that names an address and what follows.
fn reason(prose: &str) -> String {
    let lines: Vec<&str> = prose.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let coded = |line: &&&str| Status::find(line).is_some() || by_reply_code(line).is_some();
    if let Some(line) = lines.iter().find(coded) {
        return (*line).to_owned();
    }
    match lines.iter().position(|line| !addresses(line).is_empty()) {
        Some(at) => lines[at..].iter().take(3).copied().collect::<Vec<_>>().join(" "),
        None => lines.first().copied().unwrap_or_default().to_owned(),
    }
}
