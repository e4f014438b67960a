//! Customers' rows in two forms: as they are, or sealed, so that whoever reads the database without the secret learns
//! neither who its customers are nor how to reach them.
//!
//! Sealed, profile and number are encrypted, for their customer and their column alone: put into another row they do not
//! open. Address, number and the days of anniversaries are looked for by keyed hashes. Each text carries the mark of the
//! secret that made it. Rows in both forms and under several secrets stand beside each other: whoever reads takes each as
//! it is, whoever looks for one asks for every form, and whoever writes writes the form that is configured.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use sha2::Sha256;

use super::session::read_json;
use super::vault::{HASHED, decrypted, derived, encrypted};
use super::{StoreError, profiles};
use crate::domain::customer::{Profile, Short};
use crate::domain::hex;

/// What a sealed text begins with, before the number of its form.
const SEALED: &str = "sealed:";

/// The one form that there is so far: the secret's mark, and in base64url a nonce, the text encrypted, and its tag.
const FORM: &str = "1";

/// What the form of a row is called that is not sealed.
pub(super) const PLAIN: &str = "plain";

/// A column that is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Profile,
    Phone,
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Phone => "phone_sealed",
        }
    }
}

/// What is looked for by its hash. What one is hashed to tells nothing of another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sought<'a> {
    /// In the form in which addresses are compared.
    Email,
    /// In E.164.
    Phone,
    /// A day, `MM-DD`, of this attribute in this time zone.
    Day { attribute: &'a str, zone: &'a str },
}

/// The keys of customers' rows, the present secret's first. Cheap to clone; nothing is derived a second time.
#[derive(Clone, Default)]
pub(super) struct Sealer {
    keys: Arc<[Key]>,
    seals: bool,
    /// Whether every build that may work on this database reads profiles in their short form, as far as is known.
    short: Arc<AtomicBool>,
}

struct Key {
    /// What a text that it made is known by; it tells nothing of the secret.
    mark: String,
    /// One for all customers: with random nonces of 96 bits a chance of 2⁻³³ that two of 2³² texts share one, which is
    /// the bound of NIST SP 800-38D, and it would tell of those two alone.
    cipher: LessSafeKey,
    hashes: Hmac<Sha256>,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        // Unwrap safety: the cipher takes keys of 256 bits, which is what a derivation gives.
        let cipher = UnboundKey::new(&CHACHA20_POLY1305, &derived(secret, "declic profile", b"")).unwrap();
        // Unwrap safety: HMAC takes a key of any length.
        let hashes = Hmac::new_from_slice(&derived(secret, "declic profile hash", b"")).unwrap();
        Self {
            mark: hex::encode(&derived(secret, "declic profile mark", b"")[..4]),
            cipher: LessSafeKey::new(cipher),
            hashes,
        }
    }

    fn hashed(&self, sought: Sought<'_>, plain: &str) -> String {
        let mut mac = self.hashes.clone();
        let (kind, attribute, zone) = match sought {
            Sought::Email => ("email", "", ""),
            Sought::Phone => ("phone", "", ""),
            Sought::Day { attribute, zone } => ("day", attribute, zone),
        };
        for part in [kind, attribute, zone, plain] {
            // Each with its length, so that no two lists of parts are the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        format!("{HASHED}{}:{}", self.mark, hex::encode(&mac.finalize().into_bytes()))
    }

    fn opened(&self, customer: &str, column: Column, encoded: &str) -> Option<String> {
        decrypted(&self.cipher, belongs_to(customer, column), &URL_SAFE_NO_PAD.decode(encoded).ok()?)
    }
}

/// Whose a text is and where it stands: encrypted for one, it opens for no other.
fn belongs_to(customer: &str, column: Column) -> Aad<Vec<u8>> {
    Aad::from(format!("{}\0{customer}", column.name()).into_bytes())
}

impl Sealer {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>, seals: bool) -> Self {
        Self { keys: secrets.into_iter().map(Key::new).collect(), seals, short: Arc::default() }
    }

    /// The same keys, writing in the forms that another one writes in.
    pub(super) fn writing_as(self, other: &Self) -> Self {
        Self { seals: other.seals, short: Arc::clone(&other.short), ..self }
    }

    /// Whether profiles are written in their short form from now on, by all clones.
    pub(super) fn write_short(&self, on: bool) {
        self.short.store(on, Ordering::Relaxed);
    }

    /// The same keys, from now on sealing what is written, or not.
    pub(super) fn sealing(self, seals: bool) -> Self {
        Self { seals, ..self }
    }

    /// Whether what is written is sealed.
    pub(super) fn seals(&self) -> bool {
        self.seals
    }

    /// The form of what is written: [`PLAIN`], or the present secret's mark.
    pub(super) fn form(&self) -> Result<&str, StoreError> {
        if self.seals { Ok(&self.present()?.mark) } else { Ok(PLAIN) }
    }

    /// Whether a text with this mark can be opened.
    pub(super) fn knows(&self, mark: &str) -> bool {
        self.keys.iter().any(|key| key.mark == mark)
    }

    fn present(&self) -> Result<&Key, StoreError> {
        self.keys.first().ok_or_else(|| {
            StoreError::Other(
                "encrypting profiles needs the secret, which the store was not given".to_owned(),
            )
        })
    }

    /// What a value is kept as that is looked for: itself, or its hash.
    pub(super) fn kept_as(&self, sought: Sought<'_>, plain: String) -> Result<String, StoreError> {
        if self.seals { Ok(self.present()?.hashed(sought, &plain)) } else { Ok(plain) }
    }

    /// All that it may be kept as.
    pub(super) fn all_kept_as(&self, sought: Sought<'_>, plain: &str) -> impl Iterator<Item = String> {
        let hashes = self.keys.iter().map(move |key| key.hashed(sought, plain));
        hashes.chain([plain.to_owned()])
    }

    /// Encrypts what stands in a customer's column.
    pub(super) fn seal(&self, customer: &str, column: Column, text: &str) -> Result<String, StoreError> {
        let key = self.present()?;
        let encoded = URL_SAFE_NO_PAD.encode(encrypted(&key.cipher, belongs_to(customer, column), text)?);
        Ok(format!("{SEALED}{FORM}:{}:{encoded}", key.mark))
    }

    /// What stands in a customer's column: a text as it is, or what it was before it was encrypted. A profile, being JSON,
    /// stands between quotes.
    ///
    /// # Errors
    /// `Corrupt` where no secret that we have opens it, naming the customer.
    pub(super) fn open<'a>(
        &self,
        customer: &str,
        column: Column,
        text: &'a str,
    ) -> Result<Cow<'a, str>, StoreError> {
        let Some(sealed) = text.trim_matches('"').strip_prefix(SEALED) else {
            return Ok(Cow::Borrowed(text));
        };
        let why = match sealed.split(':').collect::<Vec<_>>()[..] {
            [FORM, mark, encoded] if self.knows(mark) => {
                let keys = self.keys.iter().filter(|key| key.mark == mark);
                match keys.map(|key| key.opened(customer, column, encoded)).find(Option::is_some).flatten() {
                    Some(opened) => return Ok(Cow::Owned(opened)),
                    None => "it was altered, or put here from the row of another customer".to_owned(),
                }
            }
            [FORM, mark, _] => unknown(mark),
            _ => "it is encrypted in a form that this build does not know: run the newer declic".to_owned(),
        };
        Err(corrupt(customer, column, why))
    }

    /// What of a customer's row is encrypted, as it was: the profile and the number.
    pub(super) fn opened(
        &self,
        customer: &str,
        profile: &str,
        phone: Option<String>,
        phone_sealed: Option<&str>,
    ) -> Result<(Profile, Option<String>), StoreError> {
        let profile = self.open(customer, Column::Profile, profile)?;
        let profile = read_json("customers", || customer.to_owned(), Column::Profile.name(), &profile)?;
        let phone = match phone {
            Some(hash) if hash.starts_with(HASHED) => {
                let sealed = phone_sealed.ok_or_else(|| {
                    corrupt(customer, Column::Phone, "it is missing beside the number's hash".to_owned())
                })?;
                Some(self.open(customer, Column::Phone, sealed)?.into_owned())
            }
            plain => plain,
        };
        Ok((profile, phone))
    }

    /// The columns of a customer's row that are sealed, as they are to be written. Of whoever there is nothing to say of,
    /// there is nothing to hide.
    pub(super) fn columns<'a>(
        &self,
        customer: &str,
        profile: &'a Profile,
    ) -> Result<(Stored<'a>, Option<String>), StoreError> {
        let email = profiles::email(profile);
        let plain = match self.short.load(Ordering::Relaxed) {
            true => Stored::Short(Short(profile)),
            false => Stored::Full(profile),
        };
        if !self.seals || profile.attributes.is_empty() {
            return Ok((plain, email));
        }
        let sealed = self.seal(customer, Column::Profile, &super::args::json_text(&plain)?)?;
        let email = email.map(|email| self.kept_as(Sought::Email, email)).transpose()?;
        Ok((Stored::Sealed(sealed), email))
    }

    /// A number as it is to be written: what it is found by, and itself, encrypted.
    pub(super) fn phone<'a>(&self, customer: &str, e164: Option<&'a str>) -> Result<Number<'a>, StoreError> {
        match e164 {
            Some(e164) if self.seals => Ok(Number {
                found_by: Some(Cow::Owned(self.present()?.hashed(Sought::Phone, e164))),
                sealed: Some(self.seal(customer, Column::Phone, e164)?),
            }),
            plain => Ok(Number { found_by: plain.map(Cow::Borrowed), sealed: None }),
        }
    }
}

/// A profile as its column holds it.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Stored<'a> {
    Full(&'a Profile),
    Short(Short<'a>),
    Sealed(String),
}

impl Stored<'_> {
    /// What may stand beside it in the clear, when the profile does: none where it is sealed.
    pub(super) fn locale(&self) -> Option<&str> {
        match self {
            Self::Full(profile) | Self::Short(Short(profile)) => profile.text("locale"),
            Self::Sealed(_) => None,
        }
    }
}

/// A number as its columns hold it.
#[derive(Debug, Default)]
pub(super) struct Number<'a> {
    pub(super) found_by: Option<Cow<'a, str>>,
    pub(super) sealed: Option<String>,
}

fn corrupt(customer: &str, column: Column, detail: String) -> StoreError {
    StoreError::Corrupt {
        table: "customers",
        row: customer.to_owned(),
        column: column.name().to_owned(),
        detail,
    }
}

fn unknown(mark: &str) -> String {
    format!(
        "it is encrypted with a secret that is not configured, whose mark is {mark}: put that secret into \
         `previous_secrets` (docs/security.md)"
    )
}

/// The mark of the secret under which a text is sealed; none where it is not.
pub(super) fn mark(text: &str) -> Option<&str> {
    text.trim_matches('"').strip_prefix(SEALED)?.split(':').nth(1)
}

/// What profiles sealed under a secret begin with in the database, as a pattern of LIKE; of any secret without a mark.
pub(super) fn profiles_like(mark: Option<&str>) -> String {
    match mark {
        Some(mark) => format!("\"{SEALED}{FORM}:{mark}:%"),
        None => format!("\"{SEALED}%"),
    }
}

/// The same for hashes.
pub(super) fn hashes_like(mark: Option<&str>) -> String {
    match mark {
        Some(mark) => format!("{HASHED}{mark}:%"),
        None => format!("{HASHED}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"the old secret";
    const NEW: &[u8] = b"the new secret";

    #[test]
    fn a_text_opens_in_its_own_row_and_column_alone() {
        let sealer = Sealer::new([NEW], true);
        let text = r#"{"attributes":{}}"#;
        let sealed = sealer.seal("c-1", Column::Profile, text).unwrap();
        assert_ne!(
            sealed,
            sealer.seal("c-1", Column::Profile, text).unwrap(),
            "the same twice tells nothing"
        );
        assert!(sealed.starts_with("sealed:1:") && !sealed.contains("attributes"));
        let quoted = format!("\"{sealed}\"");
        for kept in [&sealed, &quoted] {
            assert_eq!(sealer.open("c-1", Column::Profile, kept).unwrap(), text);
        }
        for (customer, column) in [("c-2", Column::Profile), ("c-1", Column::Phone)] {
            let error = sealer.open(customer, column, &sealed).unwrap_err().to_string();
            assert!(error.contains(customer) && error.contains("another customer"), "{error}");
        }
        let mut altered = sealed.clone().into_bytes();
        *altered.last_mut().unwrap() ^= 1;
        assert!(sealer.open("c-1", Column::Profile, std::str::from_utf8(&altered).unwrap()).is_err());
        for junk in ["sealed:", "sealed:2:a:b", "sealed:1:a:b", "sealed:1:a", &sealed[..30], "sealed:1:é:é"]
        {
            assert!(sealer.open("c-1", Column::Profile, junk).is_err(), "{junk}");
        }
        assert_eq!(
            sealer.open("c-1", Column::Profile, text).unwrap(),
            text,
            "what is not sealed is as it is"
        );
    }

    #[test]
    fn a_former_secret_opens_and_is_looked_for_and_an_unknown_one_is_said() {
        let (before, after) = (Sealer::new([OLD], true), Sealer::new([NEW, OLD], true));
        let sealed = before.seal("c-1", Column::Phone, "+33612345678").unwrap();
        assert_eq!(after.open("c-1", Column::Phone, &sealed).unwrap(), "+33612345678");
        assert_eq!(mark(&sealed), Some(before.form().unwrap()));
        let error = Sealer::new([NEW], true).open("c-1", Column::Phone, &sealed).unwrap_err().to_string();
        assert!(error.contains("previous_secrets") && error.contains("c-1"), "{error}");

        let kept = before.kept_as(Sought::Phone, "+33612345678".to_owned()).unwrap();
        let asked: Vec<String> = after.all_kept_as(Sought::Phone, "+33612345678").collect();
        assert!(asked.contains(&kept) && asked.contains(&"+33612345678".to_owned()) && asked.len() == 3);
        assert!(!after.all_kept_as(Sought::Email, "+33612345678").any(|hash| hash == kept));
        let day = |attribute, zone| Sought::Day { attribute, zone };
        let days = [day("birthday", "UTC"), day("birthday", ""), day("anniversary", "UTC")];
        let days: std::collections::BTreeSet<String> =
            days.into_iter().map(|day| before.kept_as(day, "02-28".to_owned()).unwrap()).collect();
        assert_eq!(days.len(), 3, "the same day of another attribute or zone shows nothing");
    }

    #[test]
    fn without_a_secret_nothing_is_written_as_if_it_were_safe() {
        let none = Sealer::new([], true);
        assert!(none.seal("c", Column::Phone, "x").is_err() && none.form().is_err());
        assert!(none.kept_as(Sought::Email, "x".to_owned()).is_err());
        assert_eq!(Sealer::default().form().unwrap(), PLAIN);
    }
}
