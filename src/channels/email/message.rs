//! An [`Email`] becomes bytes: RFC 5322 headers and a `multipart/alternative` body.
//!
//! Deterministic: the boundary comes from the message's identity and the date from the message. The
//! result is ASCII wherever the addresses are, its lines are shorter than 998 octets, every line ends in
//! CRLF, and nothing that comes from data can begin a new header. lettre encodes names and subjects; its
//! `Message` is not used, because that parses our own headers back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use lettre::Address;
use lettre::message::header::{
    ContentType, Header as _, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, Subject,
};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart, header};
use thiserror::Error;

use super::Email;
use super::address::parse;
use super::encoding::encode;
use crate::channels::Answer;

/// Characters of a subject or a name that are sent; beyond, clients cut anyway.
const LONGEST_PHRASE: usize = 250;
/// Octets of an encoded word's text: RFC 2047 2 allows 75 characters for a word, twelve of which are not text.
const ENCODED_AT_ONCE: usize = 45;
/// RFC 5322 2.1.1 allows 998 octets a line, and a URL in a header cannot be folded.
const LONGEST_URL: usize = 900;

/// Why an e-mail cannot be built. Shows no address.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unbuildable {
    #[error("the recipient's address is not one we can write to")]
    To,
    #[error("the sender's address `{0}` is not valid")]
    From(String),
    #[error("the reply address `{0}` is not valid")]
    ReplyTo(String),
    #[error("the message id is not made of letters, digits, `.`, `-` and `_`")]
    MessageId,
    #[error(
        "the unsubscribe link is not an absolute http(s) URL in ASCII of at most {LONGEST_URL} characters"
    )]
    UnsubscribeUrl,
}

impl Unbuildable {
    /// What it means for the message.
    pub fn answer(&self) -> Answer {
        Answer::Invalid { detail: self.to_string(), bad_address: *self == Self::To }
    }
}

/// A built e-mail: its bytes, and the two addresses that go on the envelope by default.
#[derive(Debug)]
pub struct Built {
    pub bytes: Vec<u8>,
    pub from: Address,
    pub to: Address,
}

/// Builds the mail, unsigned.
pub fn build(mail: &Email) -> Result<Built, Unbuildable> {
    let from = parse(&mail.from).ok_or_else(|| Unbuildable::From(mail.from.clone()))?;
    let to = parse(&mail.to).ok_or(Unbuildable::To)?;
    let name = one_line(&mail.from_name);

    let mut headers = Headers::new();
    let sender = Mailbox::new((!name.is_empty()).then_some(name), from.clone());
    headers.set(header::From::from(Mailboxes::from(sender)));
    headers.set(header::To::from(Mailboxes::from(Mailbox::new(None, to.clone()))));
    if let Some(address) = &mail.reply_to {
        let address = parse(address).ok_or_else(|| Unbuildable::ReplyTo(address.clone()))?;
        headers.set(header::ReplyTo::from(Mailboxes::from(Mailbox::new(None, address))));
    }
    headers.insert_raw(subject(one_line(&mail.subject)));
    headers.insert_raw(verbatim("Date", rfc5322_date(mail.date)));
    headers.insert_raw(verbatim("Message-ID", message_id(&mail.message_id, from.domain())?));
    if let Some(url) = &mail.unsubscribe_url {
        headers.insert_raw(verbatim("List-Unsubscribe", unsubscribe(url)?));
        headers.insert_raw(verbatim("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    headers.insert_raw(verbatim("Auto-Submitted", "auto-generated".to_owned()));
    headers.set(MIME_VERSION_1_0);

    let mut bytes = headers.to_string().into_bytes();
    // Its own headers end with Content-Type, then the blank line and the parts.
    bytes.extend_from_slice(&alternative(mail).formatted());
    Ok(Built { bytes, from, to })
}

/// Text first, HTML second: readers show the last part they understand (RFC 2046 5.1.4).
fn alternative(mail: &Email) -> MultiPart {
    // "=_" cannot occur in quoted-printable or base64, nor the id by accident in plain text.
    let boundary = format!("=_{}", mail.message_id);
    MultiPart::alternative()
        .boundary(boundary)
        .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
        .singlepart(part(ContentType::TEXT_HTML, &mail.html))
}

fn part(content_type: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(content_type).body(encode(text))
}

fn message_id(id: &str, domain: &str) -> Result<String, Unbuildable> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
        return Err(Unbuildable::MessageId);
    }
    Ok(format!("<{id}@{domain}>"))
}

fn unsubscribe(url: &str) -> Result<String, Unbuildable> {
    let absolute = url.starts_with("https://") || url.starts_with("http://");
    let safe = url.chars().all(|c| c.is_ascii_graphic() && c != '<' && c != '>');
    if !absolute || !safe || url.len() > LONGEST_URL {
        return Err(Unbuildable::UnsubscribeUrl);
    }
    Ok(format!("<{url}>"))
}

/// lettre leaves words alone that are ASCII, also one that looks encoded: a reader would show what is encoded in it, which a
/// customer's name may have chosen. Such a subject is encoded whole.
fn subject(text: String) -> HeaderValue {
    if !text.contains("=?") {
        return Subject::from(text).display();
    }
    let mut encoded = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let mut end = rest.len().min(ENCODED_AT_ONCE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        // Blanks between encoded words are no part of the text, and a line may be folded there (RFC 2047 2, 6.2).
        let before = if encoded.is_empty() { "" } else { "\r\n " };
        encoded += &format!("{before}=?utf-8?b?{}?=", STANDARD.encode(&rest[..end]));
        rest = &rest[end..];
    }
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str("Subject"), text, encoded)
}

/// RFC 5322 3.3, in UTC.
fn rfc5322_date(date: DateTime<Utc>) -> String {
    date.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A header that is written as it is.
///
/// Invariant: the value is visible ASCII and blanks, without line breaks, and fits a line.
fn verbatim(name: &'static str, value: String) -> HeaderValue {
    debug_assert!(value.chars().all(|c| c.is_ascii_graphic() || c == ' '));
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// Line breaks and other control characters become blanks, runs of blanks one blank; too long is cut.
///
/// The cut ends in a character outside ASCII, which makes lettre encode the last word: an ASCII word of
/// any length would go on one line otherwise.
fn one_line(text: &str) -> String {
    // Only these are blanks: a no-break space is part of what the author wrote.
    let words = text.split(|c: char| c == ' ' || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_PHRASE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
