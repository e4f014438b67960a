//! Whether a failure is the address's: by its enhanced status code (RFC 3463) and, where that says too little, by words.
//!
//! A hard bounce suppresses an address for ever, so what is not plainly about the address is soft: spam filters say
//! 5.7.1 of a mail, not of its reader.

use super::Kind;

/// An enhanced status code, `class.subject.detail` (RFC 3463 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl Status {
    /// The first code in a text, as in `5.1.1 (bad mailbox)` or `smtp; 550-5.1.1 no such user`.
    pub fn find(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let starts = |at: usize| at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'.');
        let mut places =
            (0..bytes.len()).filter(|at| matches!(bytes[*at], b'2' | b'4' | b'5') && starts(*at));
        places.find_map(|at| Self::at(&text[at..]))
    }

    fn at(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].trim_end_matches('.').split('.');
        let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
        // A number of four parts is an address of a machine.
        if numbers.next().is_some() || class.len() != 1 || subject.len() > 3 || detail.len() > 3 {
            return None;
        }
        Some(Self {
            class: class.parse().ok()?,
            subject: subject.parse().ok()?,
            detail: detail.parse().ok()?,
        })
    }

    /// Whether it says no more than success, trouble or failure.
    fn is_vague(self) -> bool {
        self.subject == 0
    }

    /// Of what the report's field and the server's words say, what says more.
    pub fn better(field: Option<Self>, words: Option<Self>) -> Option<Self> {
        match (field, words) {
            (Some(field), Some(words)) if field.is_vague() && words.class == field.class => Some(words),
            (Some(field), _) => Some(field),
            (None, words) => words,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Said where nobody is there.
const NOBODY: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "no such mailbox",
    "no such address",
    "no such recipient",
    "no such person",
    "does not exist",
    "doesn't exist",
    "no longer exists",
    "not exist",
    "unknown recipient",
    "recipient unknown",
    "unknown address",
    "address unknown",
    "unknown local",
    "unknown or illegal alias",
    "invalid recipient",
    "invalid mailbox",
    "invalid address",
    "user not found",
    "recipient not found",
    "couldn't be found",
    "could not be found",
    "address not found",
    "no mailbox here",
    "mailbox unavailable",
    "mailbox not found",
    "mailbox unknown",
    "unknown mailbox",
    "not a valid",
    "doesn't have a",
    "account is disabled",
    "account disabled",
    "account has been disabled",
    "mailbox disabled",
    "is disabled",
    "unrouteable address",
    "unrouteable mail domain",
    "host unknown",
    "unknown host",
    "host not found",
    "domain not found",
    "no such domain",
    "unknown domain",
    "bad address",
    "bad destination",
    "not our customer",
    "no longer valid",
    "no longer available",
    "not listed in",
    "recipient address rejected",
    "user doesn't have",
    "not recognized",
    "inconnu",
    "no account by that name",
    "no account",
    "no existe",
    "unbekannt",
    "this account",
    "not a known user",
    "is not known",
    "invalid user",
    "not known at this site",
    "does not have an account",
    "not found in directory",
];

/// Said of a mailbox or a mail, not of an address.
const PASSING: &[&str] = &[
    "quota",
    "mailbox full",
    "mailbox is full",
    "is full",
    "full mailbox",
    "storage",
    "too large",
    "size limit",
    "message size",
    "exceeds",
    "too big",
    "spam",
    "blocked",
    "block list",
    "blocklist",
    "blacklist",
    "black list",
    "blackhole",
    "reputation",
    "dmarc",
    "spf",
    "policy",
    "virus",
    "content",
    "too many hops",
    "loop",
    "try again",
    "temporar",
    "timed out",
    "timeout",
    "connection refused",
    "connect to",
    "greylist",
    "rate limit",
    "too many",
    "not authorized",
    "relay",
    "access denied",
    "out of office",
    "boîte pleine",
    "out of space",
    "insufficient",
    "not responding",
    "retry time",
    "can't open mailbox",
    "system error",
];

/// What a failure means.
pub fn kind(status: Option<Status>, words: &str) -> Kind {
    let words = words.to_lowercase();
    let says = |list: &[&str]| list.iter().any(|phrase| words.contains(phrase));
    let hard = |yes: bool| if yes { Kind::Hard } else { Kind::Soft };
    let Some(Status { class, subject, detail }) = status else {
        return hard(says(NOBODY) || !says(PASSING));
    };
    if class != 5 {
        return Kind::Soft;
    }
    match (subject, detail) {
        // About the sender's address (RFC 3463 3.2).
        (1, 7 | 8) => Kind::Soft,
        (1, _) | (2, 1) | (4, 4 | 310) => Kind::Hard,
        (2, 0) | (4, 1) | (5, _) | (7, 1) => hard(says(NOBODY) && !says(&["spam", "block", "quota"])),
        (0, _) => hard(says(NOBODY) || !says(PASSING)),
        _ => Kind::Soft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found() {
        let cases = [
            ("5.1.1", Some("5.1.1")),
            ("5.0.0 (recipient reached disk quota)", Some("5.0.0")),
            ("smtp; 550-5.7.26 unauthenticated", Some("5.7.26")),
            ("host 5.6.7.8 said: 550 #5.1.0 no", Some("5.1.0")),
            ("(5.4.310).", Some("5.4.310")),
            ("version 15.1.2 x5.1.1 192.5.1.1", None),
            ("550", None),
            ("", None),
        ];
        for (text, code) in cases {
            assert_eq!(Status::find(text).map(|s| s.to_string()).as_deref(), code, "{text}");
        }
    }

    #[test]
    fn only_what_is_the_address_s_is_hard() {
        use Kind::{Hard, Soft};
        let cases = [
            ("5.1.1", "", Hard),
            ("5.1.10", "null MX", Hard),
            ("5.1.8", "bad sender", Soft),
            ("5.2.1", "mailbox disabled", Hard),
            ("5.2.2", "mailbox full", Soft),
            ("5.4.4", "host not found", Hard),
            ("5.4.6", "loop", Soft),
            ("5.4.1", "Recipient address rejected: Access denied", Hard),
            ("5.7.1", "message looks like spam", Soft),
            ("5.7.1", "unknown user", Hard),
            ("5.5.0", "Requested action not taken: mailbox unavailable", Hard),
            ("5.5.0", "", Soft),
            ("5.0.0", "", Hard),
            ("5.0.0", "over quota", Soft),
            ("4.4.7", "user unknown", Soft),
            ("", "I gave up", Hard),
            ("", "blocked by our blacklist", Soft),
        ];
        for (code, words, expected) in cases {
            assert_eq!(kind(Status::find(code), words), expected, "{code} {words}");
        }
    }
}
