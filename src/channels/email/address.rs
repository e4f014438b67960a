//! E-mail addresses: which ones we write to, and how they are shown where people may see them.

use std::net::IpAddr;

use lettre::Address;

/// RFC 5321 4.5.3.1.3: a path is at most 256 octets, two of them the angle brackets.
const LONGEST_ADDRESS: usize = 254;

/// The address in the form it has on the wire, its domain in A-labels (RFC 5890). `None` for one that we do not
/// write to: RFC 5321's curiosities (quoted local parts with blanks, IP literals, domains of one label other than
/// `localhost`). Internationalised names are allowed.
pub(super) fn parse(address: &str) -> Option<Address> {
    if address.len() > LONGEST_ADDRESS || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let (user, domain) = address.rsplit_once('@')?;
    if user.contains(['<', '>', '"', '\\']) || domain.starts_with('[') || domain.parse::<IpAddr>().is_ok() {
        return None;
    }
    let domain = idna::domain_to_ascii(domain).ok()?;
    if !domain.contains('.') && domain != "localhost" {
        return None;
    }
    Address::new(user, domain).ok()
}

/// `a…@example.com`: enough to recognise one's own customer by, not enough to write to them.
pub fn masked(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((user, domain)) => format!("{}…@{domain}", user.chars().next().unwrap_or('…')),
        None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let good = [
            "alice@example.com",
            "a.b+c@mail.example.co.uk",
            "o'neil@example.com",
            "josé@example.com",
            "user@bücher.example",
            "root@localhost",
        ];
        for address in good {
            assert!(parse(address).is_some(), "{address}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let bad = [
            "",
            "@",
            "alice",
            "alice@",
            "@example.com",
            "a b@example.com",
            "a@example",
            "a@1.2.3.4",
            "a@[1.2.3.4]",
            "a@example.com\r\nRCPT TO:<b@example.com>",
            "a\n@example.com",
            "<a@example.com>",
            "\"a b\"@example.com",
            "a..b@example.com",
            "a@ex ample.com",
            "a@-example.com",
            "a,b@example.com",
            "a@example..com",
            &long,
        ];
        for address in bad {
            assert!(parse(address).is_none(), "{address}");
        }
    }

    #[test]
    fn domains_become_a_labels() {
        assert_eq!(
            parse("user@bücher.example").map(|a| a.to_string()).as_deref(),
            Some("user@xn--bcher-kva.example")
        );
    }

    #[test]
    fn masks() {
        assert_eq!(masked("alice@example.com"), "a…@example.com");
        assert_eq!(masked("élise@example.com"), "é…@example.com");
        assert_eq!(masked("nothing"), "…");
        assert_eq!(masked("@x"), "……@x");
    }
}
