//! Promo codes: derived, so that a replay gives the same one, and typable, so that a customer can.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::snapshot::PromoCode;

/// Crockford's base 32 without I, L, O and U: nothing that reads like a digit or makes a word.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Symbols before the check symbol: 60 bits, out of reach of guessing.
const SYMBOLS: usize = 12;

/// The code for one promo step of one entry: `PREFIX-XXXX-XXXX-XXXX-C`.
///
/// `counter` is 0 unless an earlier value met a code that another entry already holds.
pub fn derive(secret: &[u8], prefix: &str, identity: [&str; 4], counter: u32) -> String {
    let digest = keyed_hash(secret, "promo-code", &identity, counter);
    // 60 bits, five at a time: the top of a 64-bit number.
    let bits = digest[..8].iter().fold(0_u64, |acc, byte| (acc << 8) | u64::from(*byte));
    let symbols: Vec<u8> = (0..SYMBOLS).map(|i| ((bits >> (59 - 5 * i)) & 31) as u8).collect();
    let mut code = String::from(prefix);
    for (i, symbol) in symbols.iter().enumerate() {
        if i % 4 == 0 && !code.is_empty() {
            code.push('-');
        }
        code.push(char::from(ALPHABET[usize::from(*symbol)]));
    }
    code.push('-');
    code.push(char::from(ALPHABET[usize::from(check_symbol(&symbols))]));
    code
}

/// The `counter`th value of a code whose earlier ones are taken.
pub fn next(secret: &[u8], taken: &PromoCode, counter: u32) -> String {
    let tail = "-XXXX-XXXX-XXXX-C".len();
    let prefix = taken.code.len().checked_sub(tail).map_or("", |end| &taken.code[..end]);
    derive(secret, prefix, [&taken.rule, &taken.customer_id, &taken.occurrence, &taken.step], counter)
}

/// Whether a typed code is well formed: case and dashes do not matter, `O`, `I` and `L` are read as digits,
/// and the check symbol catches any single wrong symbol and any swap of neighbours.
pub fn is_well_formed(typed: &str, prefix: &str) -> bool {
    let compact: String =
        typed.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let Some(body) = compact.strip_prefix(prefix) else { return false };
    let symbols: Option<Vec<u8>> = body.bytes().map(value_of).collect();
    match symbols.as_deref() {
        Some([symbols @ .., check]) if symbols.len() == SYMBOLS => check_symbol(symbols) == *check,
        _ => false,
    }
}

fn value_of(symbol: u8) -> Option<u8> {
    let read = match symbol {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|s| *s == read).and_then(|i| u8::try_from(i).ok())
}

/// A weighted sum in GF(32) (polynomial x⁵+x²+1), with distinct non-zero weights for each place.
fn check_symbol(symbols: &[u8]) -> u8 {
    let mut weight = 2;
    symbols.iter().fold(0, |sum, symbol| {
        let term = multiply(*symbol, weight);
        weight = multiply(weight, 2);
        sum ^ term
    })
}

fn multiply(a: u8, b: u8) -> u8 {
    let (mut a, mut product) = (a, 0);
    for bit in 0..5 {
        if b >> bit & 1 == 1 {
            product ^= a;
        }
        a <<= 1;
        if a & 32 != 0 {
            a ^= 0b10_0101;
        }
    }
    product
}

/// HMAC-SHA-256 over length-prefixed parts, so that no two identities run together.
pub fn keyed_hash(secret: &[u8], domain: &str, parts: &[&str], counter: u32) -> [u8; 32] {
    // Unwrap safety: HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    for part in std::iter::once(&domain).chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.update(&counter.to_be_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: [&str; 4] = ["birthday", "c-42", "birthday 2027", "promo-BDAY"];

    #[test]
    fn same_identity_same_code_and_any_difference_another() {
        let code = derive(b"secret", "BDAY", IDENTITY, 0);
        assert_eq!(code, derive(b"secret", "BDAY", IDENTITY, 0));
        assert!(code.starts_with("BDAY-") && code.len() == "BDAY-XXXX-XXXX-XXXX-C".len(), "{code}");
        let others = [
            derive(b"other", "BDAY", IDENTITY, 0),
            derive(b"secret", "BDAY", IDENTITY, 1),
            derive(b"secret", "BDAY", ["birthdayc", "-42", "birthday 2027", "promo-BDAY"], 0),
        ];
        assert!(others.iter().all(|o| *o != code));
    }

    #[test]
    fn the_check_symbol_catches_every_single_error_and_neighbour_swap() {
        let code = derive(b"secret", "", IDENTITY, 0);
        let compact: Vec<u8> = code.bytes().filter(|b| *b != b'-').collect();
        assert!(is_well_formed(&code.to_lowercase(), ""));
        for place in 0..compact.len() {
            for symbol in ALPHABET.iter().filter(|s| **s != compact[place]) {
                let mut typed = compact.clone();
                typed[place] = *symbol;
                assert!(!is_well_formed(std::str::from_utf8(&typed).unwrap(), ""));
            }
            if place + 1 < compact.len() && compact[place] != compact[place + 1] {
                let mut typed = compact.clone();
                typed.swap(place, place + 1);
                assert!(!is_well_formed(std::str::from_utf8(&typed).unwrap(), ""));
            }
        }
    }

    #[test]
    fn ten_thousand_codes_differ() {
        let codes: std::collections::HashSet<_> =
            (0..10_000).map(|i| derive(b"secret", "", ["r", &i.to_string(), "o", "s"], 0)).collect();
        assert_eq!(codes.len(), 10_000);
    }
}
