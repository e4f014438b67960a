//! What a mail that came back says: a delivery report (RFC 3464), a complaint (RFC 5965), an older server's prose, or
//! nothing of the kind.
//!
//! Bytes in, words out: whether the report is about a mail of ours, and what follows from it, is for the caller to find
//! out. Never trusts the report: anybody can write one. Called by `incoming` and by `declic bounces`.

mod arf;
mod classes;
mod dsn;
mod mail;
pub mod notice;
mod prose;
pub mod providers;
pub mod verp;

use serde::{Deserialize, Serialize};

use mail::Mail;

/// Octets of a mail that are read; what is returned of the mail itself stands behind the report, and may be long.
pub const MOST_BYTES: usize = 256 * 1024;

/// Characters of a server's words that are kept.
const LONGEST_DETAIL: usize = 300;

/// Addresses and message ids taken from one report: one mail has one recipient, but prose names others too.
const MOST_NAMED: usize = 20;

/// What a report means for the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The address is the cause, and will be the next time: nobody is there.
    Hard,
    /// This mail did not arrive, for a reason that may pass or that is not the address's: a full mailbox, a refused
    /// content, a server that stayed away.
    Soft,
    /// The reader called the mail unwanted.
    Complaint,
}

impl Kind {
    pub const ALL: &[Self] = &[Self::Hard, Self::Soft, Self::Complaint];

    /// As stored and counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Complaint => "complaint",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// A mail that did not arrive or was not wanted, as the report tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub kind: Kind,
    /// RFC 3463, as in `5.1.1`; none where the report has none.
    pub status: Option<String>,
    /// The server's words, on one line, with every address masked.
    pub detail: String,
    /// Who it may have been sent to, in lower case, the likeliest first: original and final recipient, and who the
    /// returned mail was addressed to.
    pub recipients: Vec<String>,
    /// The `Message-ID`s that it may be about, without their brackets.
    pub about: Vec<String>,
}

/// What a mail is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    Report(Report),
    /// A report that the mail is still under way: a failure follows, or none.
    Delayed,
    /// A report of success: delivered, relayed or expanded (RFC 3464 2.3.3).
    Delivered,
    /// Out of office, and other answers of machines (RFC 3834).
    AutoReply,
    /// A complaint that is about no mail in particular, or withdrawn (`not-spam`).
    NoComplaint,
    /// None of these: a person has written, or an advertiser.
    Other,
}

impl Reading {
    /// As counted and said.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Report(report) => report.kind.as_str(),
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::AutoReply => "auto_reply",
            Self::NoComplaint => "no_complaint",
            Self::Other => "other",
        }
    }
}

/// Reads a mail, of any bytes.
pub fn read(bytes: &[u8]) -> Reading {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    let Some(mail) = Mail::parse(bytes) else { return Reading::Other };
    if let Some(reading) = arf::read(&mail) {
        return reading;
    }
    if let Some(reading) = dsn::read(&mail) {
        return reading;
    }
    // After the standard ones, which say of themselves that they are answers of a machine.
    if mail.is_auto_reply() {
        return Reading::AutoReply;
    }
    prose::read(&mail).unwrap_or(Reading::Other)
}

/// Words of a server: one line, bounded, every address masked.
fn tidied(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&masked(word));
    }
    out.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect()
}

/// A word with the local part of an address in it cut down to its first letter.
fn masked(word: &str) -> String {
    let Some((before, after)) = word.split_once('@') else { return word.to_owned() };
    let start = before.rfind(|c: char| !is_local(c)).map_or(0, |at| at + c_len(before, at));
    match before[start..].chars().next() {
        Some(first) => format!("{}{first}…@{}", &before[..start], masked(after)),
        None => format!("{before}@{}", masked(after)),
    }
}

fn c_len(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

/// The addresses in a text, in lower case, each once.
fn addresses(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices('@') {
        let local: usize = text[..at].chars().rev().take_while(|c| is_local(*c)).map(char::len_utf8).sum();
        let domain = text[at + 1..].chars().take_while(|c| c.is_alphanumeric() || "-.".contains(*c));
        let domain: usize = domain.map(char::len_utf8).sum();
        let host = text[at + 1..at + 1 + domain].trim_end_matches(['.', '-']);
        let user = text[at - local..at].trim_start_matches(['.', '\'', '=', '/']);
        if user.is_empty() || !host.contains('.') {
            continue;
        }
        let address = format!("{user}@{host}").to_lowercase();
        // As X.400 writes it, and Exchange after it.
        let address = address.strip_prefix("smtp=").unwrap_or(&address).to_owned();
        if !found.contains(&address) && found.len() < MOST_NAMED {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_and_masked() {
        let text = "<Alice.B@Example.com>: host mx.example.com said: 550 'bob+x@b.example.' @nobody a@b";
        assert_eq!(addresses(text), ["alice.b@example.com", "bob+x@b.example"]);
        assert_eq!(
            tidied("550 <Alice.B@example.com>…\r\n\t user\u{7}unknown ü@é.example"),
            "550 <A…@example.com>… userunknown ü…@é.example"
        );
        assert_eq!(tidied("é@ @ a@b@c"), "é…@ @ a…@b…@c");
    }

    #[test]
    fn nothing_is_nothing() {
        for junk in [&b""[..], b"\n", b"\0\0", b"From: x\n\nhello", &[0xff; 300]] {
            assert_eq!(read(junk), Reading::Other);
        }
    }
}
