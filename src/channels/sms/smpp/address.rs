//! Addresses with their type of number and numbering plan (SMPP 3.4, 5.2.5 and 5.2.6).

use super::config::SmppConfig;
use super::pdu::Address;

const UNKNOWN: u8 = 0;
const INTERNATIONAL: u8 = 1;
const ISDN: u8 = 1;
const NATIONAL: u8 = 2;
const NETWORK_SPECIFIC: u8 = 3;
const ALPHANUMERIC: u8 = 5;

/// GSM 03.40 9.1.2.5 leaves 11 characters for a name.
const LONGEST_NAME: usize = 11;
/// Longer than any short code, shorter than any number with its country.
const LONGEST_SHORT_CODE: usize = 8;

/// Who a message comes from; without a name or number the provider puts its own. The error is in words.
pub fn source(from: Option<&str>, config: &SmppConfig) -> Result<Address, String> {
    let from = from.unwrap_or_default();
    let digits = from.strip_prefix('+').unwrap_or(from);
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let (ton, npi) = match (number, from) {
        (_, "") => (UNKNOWN, UNKNOWN),
        (true, _) if from.starts_with('+') || digits.len() > LONGEST_SHORT_CODE => (INTERNATIONAL, ISDN),
        (true, _) => (NETWORK_SPECIFIC, UNKNOWN),
        (false, _) => (ALPHANUMERIC, UNKNOWN),
    };
    let fits = match ton {
        ALPHANUMERIC => from.len() <= LONGEST_NAME && from.bytes().all(|b| matches!(b, b' '..=b'~')),
        _ => digits.len() <= 20,
    };
    if !fits {
        return Err(format!(
            "the sender `{from}` is neither a number nor a name of at most {LONGEST_NAME} characters of ASCII"
        ));
    }
    Ok(Address {
        ton: config.source_ton.unwrap_or(ton),
        npi: config.source_npi.unwrap_or(npi),
        digits: digits.to_owned(),
    })
}

/// Who a message goes to, from E.164.
pub fn dest(to: &str, config: &SmppConfig) -> Result<Address, String> {
    let digits = to.strip_prefix('+').unwrap_or(to);
    if !(3..=20).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the customer's number is not in E.164".to_owned());
    }
    Ok(Address {
        ton: config.dest_ton.unwrap_or(INTERNATIONAL),
        npi: config.dest_npi.unwrap_or(ISDN),
        digits: digits.to_owned(),
    })
}

/// As we write an address that came in: with the plus sign where the provider says that it is international.
pub fn plain(address: &Address) -> String {
    let number = !address.digits.is_empty() && address.digits.bytes().all(|b| b.is_ascii_digit());
    match address.ton {
        INTERNATIONAL if number => format!("+{}", address.digits),
        _ => address.digits.clone(),
    }
}

/// Whether the provider says that the country's code is not part of it.
pub fn is_national(address: &Address) -> bool {
    address.ton == NATIONAL
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ton: u8, npi: u8, digits: &str) -> Address {
        Address { ton, npi, digits: digits.to_owned() }
    }

    #[test]
    fn senders() {
        let cases = [
            (None, address(0, 0, "")),
            (Some("MaBoutique"), address(5, 0, "MaBoutique")),
            (Some("Shop 24"), address(5, 0, "Shop 24")),
            (Some("+33612345678"), address(1, 1, "33612345678")),
            (Some("33612345678"), address(1, 1, "33612345678")),
            (Some("36180"), address(3, 0, "36180")),
        ];
        let config = SmppConfig::default();
        for (from, expected) in cases {
            assert_eq!(source(from, &config), Ok(expected), "{from:?}");
        }
        for from in ["TwelveLetter", "Élise", "a\0b", "+123456789012345678901", "+"] {
            assert_eq!(source(Some(from), &config).is_err(), from != "+", "{from}");
        }
        let own = SmppConfig { source_ton: Some(0), source_npi: Some(9), ..config };
        assert_eq!(source(Some("36180"), &own), Ok(address(0, 9, "36180")));
    }

    #[test]
    fn numbers() {
        let config = SmppConfig { dest_npi: Some(8), ..SmppConfig::default() };
        assert_eq!(dest("+33612345678", &config), Ok(address(1, 8, "33612345678")));
        for to in ["", "+", "+33 6", "bob", "+123456789012345678901"] {
            assert!(dest(to, &config).is_err(), "{to}");
        }
        assert_eq!(plain(&address(1, 1, "336")), "+336");
        assert_eq!(plain(&address(2, 1, "0612345678")), "0612345678");
        assert_eq!(plain(&address(1, 1, "")), "");
    }
}
