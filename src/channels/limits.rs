//! How much a provider, or a recipient's domain, takes: the part of a channel's section that bounds the flow.
//!
//! Only said here; `delivery` keeps to it. Limits hold for one worker process: with three workers behind one account,
//! give each a third of what the account allows.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The limits of one way out. The default is none.
///
/// A section that refuses unknown keys cannot flatten this in (serde knows the one or the other), so it repeats the
/// keys that it wants and gives them here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Messages a second at most; an SMS counts as many times as it has segments.
    pub max_rate: Option<f64>,
    /// Messages that may go at once after a quiet moment; by default what a quarter of a second brings, at least one.
    pub burst: Option<u32>,
    /// By recipient's domain; e-mail only.
    pub domains: BTreeMap<String, DomainLimits>,
}

/// What one mailbox provider takes from us: `[smtp.domains."example.com"]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DomainLimits {
    /// Messages a second at most.
    pub max_rate: Option<f64>,
    /// As in [`Limits`].
    pub burst: Option<u32>,
    /// Hand-overs to this domain under way at once.
    pub max_connections: Option<u32>,
}

impl Limits {
    /// What is wrong, if anything: the key, relative to the section, and words.
    pub fn problem(&self) -> Option<(String, String)> {
        let own = problem("", self.max_rate, self.burst, None);
        own.or_else(|| {
            self.domains.iter().find_map(|(domain, limits)| {
                let at = format!("domains.{domain}");
                if ascii_domain(domain).is_none_or(|name| !name.contains('.')) {
                    let words = format!("`{domain}` is not a domain; write it like \"example.com\"");
                    return Some((at, words));
                }
                problem(&format!("{at}."), limits.max_rate, limits.burst, limits.max_connections)
            })
        })
    }
}

fn problem(
    at: &str,
    rate: Option<f64>,
    burst: Option<u32>,
    connections: Option<u32>,
) -> Option<(String, String)> {
    if rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        let words = "`max_rate` is messages a second: a number above 0; leave it out for no limit";
        return Some((format!("{at}max_rate"), words.to_owned()));
    }
    if burst.is_some() && rate.is_none() {
        return Some((format!("{at}burst"), "`burst` means nothing without `max_rate` beside it".to_owned()));
    }
    for (key, value) in [("burst", burst), ("max_connections", connections)] {
        if value == Some(0) {
            let words = format!("`{key}` must be at least 1; leave it out for the default");
            return Some((format!("{at}{key}"), words));
        }
    }
    None
}

/// The domain of an address in the form that limits are kept under: lower case, in A-labels (RFC 5890).
pub fn domain_of(address: &str) -> Option<String> {
    ascii_domain(address.rsplit_once('@')?.1)
}

/// A domain as [`domain_of`] gives it.
pub fn ascii_domain(domain: &str) -> Option<String> {
    idna::domain_to_ascii(domain.trim()).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_key() {
        let with = |domain: &str, limits: DomainLimits| Limits {
            domains: [(domain.to_owned(), limits)].into(),
            ..Limits::default()
        };
        let rate = |max_rate| Limits { max_rate: Some(max_rate), ..Limits::default() };
        let cases = [
            (Limits::default(), None),
            (rate(0.5), None),
            (rate(0.0), Some("max_rate")),
            (rate(f64::NAN), Some("max_rate")),
            (Limits { burst: Some(3), ..Limits::default() }, Some("burst")),
            (Limits { burst: Some(0), ..rate(1.0) }, Some("burst")),
            (with("Bücher.example", DomainLimits { max_connections: Some(2), ..Default::default() }), None),
            (with("localhost", DomainLimits::default()), Some("domains.localhost")),
            (
                with("gmail.com", DomainLimits { max_connections: Some(0), ..Default::default() }),
                Some("domains.gmail.com.max_connections"),
            ),
            (
                with("gmail.com", DomainLimits { max_rate: Some(-1.0), ..Default::default() }),
                Some("domains.gmail.com.max_rate"),
            ),
        ];
        for (limits, key) in cases {
            assert_eq!(limits.problem().map(|(at, _)| at).as_deref(), key, "{limits:?}");
        }
    }

    #[test]
    fn a_domain_has_one_form() {
        assert_eq!(domain_of("alice@Gmail.COM").as_deref(), Some("gmail.com"));
        assert_eq!(domain_of("a@bücher.example"), domain_of("b@XN--BCHER-KVA.example"));
        assert_eq!(domain_of("nobody"), None);
        assert_eq!(domain_of("nobody@"), None);
    }
}
