//! The parts of a mail that a report is read from: its own headers, its prose, its machine-readable part, and what it
//! returns of the mail that it is about.

use mail_parser::{Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::{MOST_NAMED, addresses};

/// A mail that may be a report.
pub struct Mail<'a> {
    message: Message<'a>,
    /// The prose, decoded.
    pub text: String,
    /// Of types `message/delivery-status` and its relations, and `message/feedback-report`.
    pub delivery_status: Option<String>,
    pub feedback: Option<String>,
    /// The headers that are returned, as a part of their own.
    pub returned: String,
}

impl<'a> Mail<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let message = MessageParser::default().parse(bytes)?;
        let mut mail = Self {
            text: String::new(),
            delivery_status: None,
            feedback: None,
            returned: String::new(),
            message,
        };
        let (mut text, mut html) = (String::new(), String::new());
        for part in &mail.message.parts {
            let kind = kind_of(part);
            match (&part.body, kind.as_str()) {
                (PartType::Message(inner), _) => {
                    add(&mut mail.returned, &headers_of(inner, part.encoding, bytes));
                }
                (_, "message/delivery-status" | "message/global-delivery-status") => {
                    add(mail.delivery_status.get_or_insert_default(), &contents(part));
                }
                (_, "message/feedback-report") => {
                    add(mail.feedback.get_or_insert_default(), &contents(part));
                }
                (
                    _,
                    "text/rfc822-headers" | "message/rfc822" | "message/global" | "message/global-headers",
                ) => {
                    add(&mut mail.returned, &contents(part));
                }
                (PartType::Html(_), _) => add(&mut html, &contents(part)),
                (PartType::Text(_), _) => add(&mut text, &contents(part)),
                _ => {}
            }
        }
        mail.text = if text.trim().is_empty() { without_tags(&html) } else { text };
        Some(mail)
    }

    /// A header of the report itself, as text; empty where there is none.
    pub fn header(&self, name: &'static str) -> String {
        let raw = self.message.header_raw(name).unwrap_or_default();
        raw.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The subject, decoded.
    pub fn subject(&self) -> &str {
        self.message.subject().unwrap_or_default()
    }

    /// Whether a server says that it comes from itself: it has no sender to answer to (RFC 5321 4.5.5), or one of the
    /// names that servers have.
    pub fn is_from_a_server(&self) -> bool {
        let from = self.header("From").to_lowercase();
        let names = [
            "mailer-daemon",
            "mailer_daemon",
            "mailerdaemon",
            "postmaster",
            "mail delivery",
            "maildelivery",
            "mail administrator",
            "delivery subsystem",
            "mdaemon",
            "mail.system",
            "delivery system",
        ];
        let nobody = self.header("Return-Path") == "<>";
        nobody || names.iter().any(|name| from.contains(name))
    }

    /// Whether it is a machine's answer and no report: RFC 3834, and what was used before it.
    pub fn is_auto_reply(&self) -> bool {
        let marks = ["X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress-Reply"];
        let subject = self.subject().to_lowercase();
        let away = [
            "out of office",
            "automatic reply",
            "auto reply",
            "autoreply",
            "auto-reply",
            "auto:",
            "away from",
            "réponse automatique",
            "absence",
            "absent",
            "vacation",
            "congés",
        ];
        let auto = self.header("Auto-Submitted").to_lowercase().starts_with("auto-replied");
        let precedence = self.header("Precedence").to_lowercase();
        let failed = !self.header("X-Failed-Recipients").is_empty();
        !failed
            && (marks.iter().any(|name| !self.header(name).is_empty())
                || precedence == "auto_reply"
                || away.iter().any(|words| subject.starts_with(words))
                || auto && !self.is_from_a_server())
    }

    /// The message ids that it may be about: of the headers returned, and what it says it answers.
    pub fn about(&self, prose: bool) -> Vec<String> {
        let mut found = message_ids(&self.returned);
        for name in ["In-Reply-To", "References"] {
            found.extend(in_brackets(&self.header(name)));
        }
        if prose {
            found.extend(message_ids(&self.text));
        }
        let mut unique: Vec<String> = Vec::new();
        for id in found {
            if !unique.contains(&id) && unique.len() < MOST_NAMED {
                unique.push(id);
            }
        }
        unique
    }

    /// Who the returned mail was addressed to.
    pub fn addressed_to(&self) -> Vec<String> {
        let to = fields(&self.returned).into_iter().filter(|(name, _)| name == "to");
        to.flat_map(|(_, value)| addresses(&value)).take(MOST_NAMED).collect()
    }
}

/// The fields of a header block, unfolded (RFC 5322 2.2.3), names in lower case. What is no field is passed over.
pub fn fields(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = found.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
            continue;
        }
        let named = line.split_once(':').filter(|(name, _)| {
            !name.is_empty()
                && name.trim_end().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        });
        if let Some((name, value)) = named {
            found.push((name.trim_end().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    found
}

/// The values of `Message-ID` fields, also of those that prose quotes or indents.
fn message_ids(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(|line| line.trim_start_matches(['>', '|', ' ', '\t'])).peekable();
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if !name.trim().eq_ignore_ascii_case("message-id") {
            continue;
        }
        let value = value.trim();
        // Long ones are folded right after the name.
        let value = if value.is_empty() { lines.peek().copied().unwrap_or_default() } else { value };
        match in_brackets(value).next() {
            Some(id) => found.push(id),
            None if value.contains('@') => found.push(value.trim().to_owned()),
            None => {}
        }
    }
    found
}

fn in_brackets(text: &str) -> impl Iterator<Item = String> + '_ {
    let ids = text.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
    ids.map(|(id, _)| id.trim().to_owned()).filter(|id| id.contains('@'))
}

fn kind_of(part: &MessagePart<'_>) -> String {
    let Some(kind) = part.content_type() else { return "text/plain".to_owned() };
    format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase()
}

fn contents(part: &MessagePart<'_>) -> String {
    match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.to_string(),
        _ => String::from_utf8_lossy(part.contents()).into_owned(),
    }
}

/// The header block of a mail within the mail. Where that is not encoded, its places are those of the whole.
fn headers_of(inner: &Message<'_>, encoding: Encoding, whole: &[u8]) -> String {
    let headers = inner.headers();
    let start = headers.iter().map(|header| header.offset_field()).min().unwrap_or_default() as usize;
    let end = headers.iter().map(|header| header.offset_end()).max().unwrap_or_default() as usize;
    let bytes = if encoding == Encoding::None { whole } else { inner.raw_message() };
    String::from_utf8_lossy(bytes.get(start..end).unwrap_or_default()).into_owned()
}

fn add(to: &mut String, text: &str) {
    if !to.is_empty() {
        to.push('\n');
    }
    to.push_str(text);
}

/// HTML as it may be searched: without tags, for reports that have nothing else.
fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&#64;", "@").replace("&nbsp;", " ")
}
