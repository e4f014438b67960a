//! What mailbox providers will read in the DNS about the domain that mails come from: SPF (RFC 7208), DKIM (RFC 6376,
//! RFC 8463) and DMARC (RFC 7489). Large ones want all three of whoever sends marketing.
//!
//! Given the TXT records; looks nothing up. Each answer is in words: what is right, or what is wrong and what to do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The records of the domain of `MAIL FROM`, which SPF is asked about.
pub fn spf(domain: &str, texts: &[String]) -> Result<String, String> {
    let is_spf = |text: &&String| {
        let text = text.to_ascii_lowercase();
        text == "v=spf1" || text.starts_with("v=spf1 ")
    };
    let found: Vec<&String> = texts.iter().filter(is_spf).collect();
    match found[..] {
        [] => Err(format!(
            "{domain} has no SPF record: publish a TXT record there that names your mail server, such as \
             `v=spf1 include:spf.your-provider.example -all`"
        )),
        [record] => {
            let terms: Vec<String> = record.split_whitespace().map(str::to_ascii_lowercase).collect();
            if terms.iter().any(|term| term == "+all" || term == "all") {
                return Err(format!(
                    "SPF of {domain} lets everybody send (`all`): end it with `-all` or `~all`"
                ));
            }
            let ends = terms.iter().any(|term| term.ends_with("all") || term.starts_with("redirect="));
            if !ends {
                return Err(format!(
                    "SPF of {domain} has no end: add `-all` or `~all`, or it says nothing of others"
                ));
            }
            Ok(format!("SPF of {domain}: {record}"))
        }
        // RFC 7208 4.5: more than one is a permanent error, as if there were none.
        _ => Err(format!("{domain} has {} SPF records, which count as none: make one of them", found.len())),
    }
}

/// The records of `SELECTOR._domainkey.DOMAIN`, where `public` is the public half of the key that signs.
pub fn dkim(name: &str, texts: &[String], public: &[u8]) -> Result<String, String> {
    let Some(record) = texts.iter().find(|text| tag(text, "p").is_some()) else {
        return Err(format!(
            "{name} has no DKIM record: mails are signed and nobody can verify it; publish the public key there \
             (docs/configuration.md)"
        ));
    };
    let given: String = tag(record, "p").unwrap_or_default().split_whitespace().collect();
    if given.is_empty() {
        return Err(format!("the key at {name} is revoked (`p=` is empty): publish the present one"));
    }
    // An RSA key is published with a header before it (SubjectPublicKeyInfo), or without.
    match STANDARD.decode(given) {
        Ok(given) if given.ends_with(public) => Ok(format!("DKIM at {name}: the key that signs")),
        Ok(_) => {
            Err(format!("the key at {name} is another than the one that signs: every signature is wrong"))
        }
        Err(_) => Err(format!("the key at {name} is not base64")),
    }
}

/// The records of `_dmarc.DOMAIN`, of the sender's domain and then of those above it, as far as they were asked for.
pub fn dmarc(domain: &str, texts: &[Vec<String>]) -> Result<String, String> {
    let is_dmarc = |text: &&String| text.replace(' ', "").to_ascii_lowercase().starts_with("v=dmarc1");
    let found = texts.iter().find_map(|texts| texts.iter().find(is_dmarc));
    let Some(record) = found else {
        return Err(format!(
            "{domain} has no DMARC record: publish a TXT record at _dmarc.{domain}, to begin with \
             `v=DMARC1; p=none; rua=mailto:dmarc@{domain}`"
        ));
    };
    match tag(record, "p").unwrap_or_default() {
        "none" => Ok(format!(
            "DMARC of {domain}: {record}; it watches only: say p=quarantine once its reports are clean"
        )),
        "quarantine" | "reject" => Ok(format!("DMARC of {domain}: {record}")),
        other => Err(format!("DMARC of {domain} says p={other}: none, quarantine or reject")),
    }
}

/// Whether DMARC takes two domains for one, in its relaxed mode, where neither is above the other by more than its organization:
/// which names those are, only a list of all registries knows; so one has to end with the other.
pub fn are_aligned(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    let above = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('.'));
    one == other || above(&one, &other) || above(&other, &one)
}

/// The value of a tag of a `tag=value; …` list (RFC 6376 3.2).
fn tag<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    record
        .split(';')
        .filter_map(|part| part.split_once('='))
        .find_map(|(key, value)| (key.trim() == name).then_some(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn spf_is_one_record_with_an_end() {
        for (records, wrong) in [
            (&["google-site-verification=x", "v=spf1 include:spf.example.net -all"][..], None),
            (&["v=spf1 redirect=_spf.example.net"], None),
            (&["V=SPF1 mx ~ALL"], None),
            (&[], Some("no SPF record")),
            (&["v=spf10 -all"], Some("no SPF record")),
            (&["v=spf1 mx -all", "v=spf1 a -all"], Some("2 SPF records")),
            (&["v=spf1 mx +all"], Some("lets everybody send")),
            (&["v=spf1 mx"], Some("has no end")),
        ] {
            let said = spf("example.com", &texts(records));
            assert_eq!(said.is_err(), wrong.is_some(), "{records:?}: {said:?}");
            assert!(wrong.is_none_or(|words| said.unwrap_err().contains(words)), "{records:?}");
        }
    }

    #[test]
    fn dkim_is_the_key_that_signs() {
        let key = STANDARD.encode([0x30, 0x82, 1, 2, 3]);
        for (record, wrong) in [
            (format!("v=DKIM1; k=rsa; p={key}"), None),
            (format!("k=rsa; p={} {}", &key[..4], &key[4..]), None),
            ("v=DKIM1; p=".to_owned(), Some("is revoked")),
            ("v=DKIM1; p=AAAA".to_owned(), Some("is another")),
            ("v=DKIM1; p=!".to_owned(), Some("is not base64")),
            ("something else".to_owned(), Some("no DKIM record")),
        ] {
            let said = dkim("s._domainkey.example.com", std::slice::from_ref(&record), &[1, 2, 3]);
            assert_eq!(said.is_err(), wrong.is_some(), "{record}: {said:?}");
            assert!(wrong.is_none_or(|words| said.unwrap_err().contains(words)), "{record}");
        }
    }

    #[test]
    fn dmarc_may_stand_above() {
        let above = [texts(&[]), texts(&["v=DMARC1; p=reject"])];
        assert!(dmarc("news.example.com", &above).unwrap().contains("p=reject"));
        assert!(dmarc("example.com", &[texts(&["v=DMARC1;p=none"])]).unwrap().contains("it watches only"));
        assert!(dmarc("example.com", &[texts(&["v=DMARC1; p=maybe"])]).unwrap_err().contains("p=maybe"));
        assert!(dmarc("example.com", &[]).unwrap_err().contains("_dmarc.example.com"));
    }

    #[test]
    fn a_domain_is_aligned_with_those_above_and_below_it() {
        assert!(are_aligned("example.com", "Example.com") && are_aligned("news.example.com", "example.com"));
        assert!(
            !are_aligned("example.com", "badexample.com") && !are_aligned("a.example.com", "b.example.com")
        );
    }
}
