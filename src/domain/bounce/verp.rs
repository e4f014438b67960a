//! Return paths that say which mail they belong to: `bounces+<message id>-<tag>@example.com` (VERP).
//!
//! The tag is keyed with the secret: nobody else can make up an address that another message would bounce to. Digits are
//! hexadecimal, because servers on the way may change the case of a local part.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::domain::hex;
use crate::domain::token::Keys;

/// Hexadecimal digits of a message's id.
const ID: usize = 32;

/// Hexadecimal digits of a tag: 48 bits, each guess at which is a mail.
const TAG: usize = 12;

/// RFC 5321 4.5.3.1.1: octets of a local part.
const LONGEST_LOCAL: usize = 64;

/// Octets that the configured local part may have: `+`, the id, `-` and the tag follow it.
pub const LONGEST_BASE: usize = LONGEST_LOCAL - ID - TAG - 2;

/// The address that bounces come back to, without what is added for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BounceAddress {
    user: String,
    domain: String,
}

/// What a mail's return paths say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// The report shows a return path that we made: it is about this message.
    Ours(String),
    /// It shows one that looks like ours, and its tag is wrong.
    Forged,
    /// It shows none.
    None,
}

impl BounceAddress {
    /// The error says what to mend.
    pub fn parse(address: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._=".contains(c);
        let parts = address.trim().rsplit_once('@').filter(|(user, domain)| {
            !user.is_empty() && user.chars().all(plain) && !domain.is_empty() && domain.chars().all(plain)
        });
        let Some((user, domain)) = parts else {
            return Err(format!(
                "`{address}` is not a plain address: letters, digits, `-`, `.` and `_` before the @ (a `+` is added)"
            ));
        };
        if user.len() > LONGEST_BASE {
            return Err(format!(
                "`{user}` is {} octets long, and at most {LONGEST_BASE} leave room for what is added to it (RFC 5321 \
                 allows {LONGEST_LOCAL} in all)",
                user.len()
            ));
        }
        Ok(Self { user: user.to_owned(), domain: domain.to_ascii_lowercase() })
    }

    /// The return path of a message.
    pub fn of(&self, message_id: &str, secret: &[u8]) -> String {
        format!("{}+{message_id}-{}@{}", self.user, tag(secret, message_id), self.domain)
    }

    /// The first return path of ours in a mail, wherever it stands: who the report is addressed to, and what it
    /// returns. Only what the tag fits counts, so that it does not matter who wrote it there.
    pub fn find(&self, mail: &[u8], keys: &Keys) -> Path {
        let text = String::from_utf8_lossy(mail).to_ascii_lowercase();
        let (before, after) = (format!("{}+", self.user.to_ascii_lowercase()), format!("@{}", self.domain));
        let mut found = Path::None;
        for (at, _) in text.match_indices(&before) {
            let rest = &text[at + before.len()..];
            let (Some(id), Some("-"), Some(tag)) =
                (rest.get(..ID), rest.get(ID..=ID), rest.get(ID + 1..ID + 1 + TAG))
            else {
                continue;
            };
            if !rest[ID + 1 + TAG..].starts_with(&after) || !is_hex(id) {
                continue;
            }
            if keys.iter().any(|secret| fits(secret, id, tag)) {
                return Path::Ours(id.to_owned());
            }
            found = Path::Forged;
        }
        found
    }
}

/// The message that a `Message-ID` of ours names: 32 hexadecimal digits before the @.
pub fn message_of(message_id: &str) -> Option<String> {
    let (id, _) = message_id.trim_matches(['<', '>']).split_once('@')?;
    (id.len() == ID && is_hex(id)).then(|| id.to_ascii_lowercase())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn mac(secret: &[u8], message_id: &str) -> Hmac<Sha256> {
    // Unwrap safety: HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(b"declic bounce");
    mac.update(message_id.as_bytes());
    mac
}

fn tag(secret: &[u8], message_id: &str) -> String {
    hex::encode(&mac(secret, message_id).finalize().into_bytes()[..TAG / 2])
}

fn fits(secret: &[u8], message_id: &str, tag: &str) -> bool {
    // In a time that tells nothing of where they differ.
    hex::decode(tag).is_some_and(|bytes| mac(secret, message_id).verify_truncated_left(&bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID_OF_ONE: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_return_path_is_read_back_and_nothing_else_is() {
        let base = BounceAddress::parse("bounces@News.shop.example").unwrap();
        let path = base.of(ID_OF_ONE, b"secret");
        let (user, domain) = path.split_once('@').unwrap();
        assert_eq!((user.len(), domain), ("bounces".len() + 46, "news.shop.example"));
        let keys = |secret: &[u8]| Keys::new(secret, []);
        let find = |text: &str| base.find(text.as_bytes(), &keys(b"secret"));
        let ours = Path::Ours(ID_OF_ONE.to_owned());
        assert_eq!(find(&format!("To: <{path}>\n\n…")), ours);
        assert_eq!(find(&format!("Delivered-To: {}", path.to_uppercase())), ours, "some change the case");
        assert_eq!(base.find(path.as_bytes(), &keys(b"another")), Path::Forged);
        let rotated = Keys::new(b"another", [b"secret".to_vec()]);
        assert_eq!(base.find(path.as_bytes(), &rotated), ours, "a former secret still tells");
        assert_eq!(find("To: bounces@news.shop.example, bounces+x@news.shop.example"), Path::None);
        assert_eq!(find(&path.replace("news.shop", "news.shoq")), Path::None);
        for place in "bounces+".len()..user.len() {
            let mut forged = path.clone().into_bytes();
            forged[place] = if forged[place] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(!matches!(find(&forged), Path::Ours(_)), "{forged}");
            assert_eq!(find(&format!("{forged} {path}")), ours, "a right one beside it counts");
        }
    }

    #[test]
    fn the_longest_return_path_fits() {
        let base = "b".repeat(LONGEST_BASE);
        let path = BounceAddress::parse(&format!("{base}@x.example")).unwrap().of(ID_OF_ONE, b"s");
        assert_eq!(path.find('@'), Some(LONGEST_LOCAL));
        for bad in [&format!("b{base}@x.example"), "", "bounces", "a b@x.example", "a+b@x.example", "@x"] {
            assert!(BounceAddress::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn our_message_ids_are_known() {
        assert_eq!(message_of(&format!("{ID_OF_ONE}@shop.example")).as_deref(), Some(ID_OF_ONE));
        for other in ["", "@", "0123@shop.example", &format!("{ID_OF_ONE}0@x"), ID_OF_ONE] {
            assert_eq!(message_of(other), None, "{other}");
        }
    }
}
