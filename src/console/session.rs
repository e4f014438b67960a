//! Who is in: the token once, then a cookie that only the holder of the token can have made.
//!
//! Nothing is kept on the server: any worker with the same token knows the cookie of another, and a new token ends all
//! sessions. The cookie is the browser's alone (`HttpOnly`, `SameSite=Strict`), and a form is believed only with a code
//! made of it (RFC 6265bis §8.8.2), so no other page can act in an operator's name.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::ops::admin::{bearer, is_same};

/// How long one stays in: a working day.
pub(super) const LASTS: TimeDelta = TimeDelta::hours(12);

/// The name of the cookie.
pub(super) const NAME: &str = "declic_session";

/// The longest name that an operator may give, in characters.
pub(super) const LONGEST_NAME: usize = 60;

/// Checks who comes.
#[derive(Clone)]
pub(super) struct Sessions {
    token: Arc<[u8]>,
}

/// Somebody who is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    /// By which name the audit log knows them.
    pub name: String,
    /// What their forms must carry.
    pub code: String,
}

impl Sessions {
    pub fn new(token: Arc<[u8]>) -> Self {
        Self { token }
    }

    /// Whether this is the token.
    pub fn opens(&self, given: &str) -> bool {
        is_same(&self.token, given.trim().as_bytes())
    }

    /// The cookie's value for somebody of this name who has shown the token.
    pub fn begin(&self, name: &str, now: DateTime<Utc>) -> String {
        let until = (now + LASTS).timestamp();
        let claim = format!("{until}.{}", URL_SAFE_NO_PAD.encode(name));
        format!("{claim}.{}", self.seal("session", &claim))
    }

    /// Who this request is from, by its cookie; none for whoever is not in. A program may bring the token itself.
    pub fn who(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Operator> {
        if let Some(given) = bearer(headers) {
            let name = "token".to_owned();
            return self.opens(given).then(|| Operator { name, code: self.seal("form", "bearer") });
        }
        let value = cookie(headers, NAME)?;
        let (claim, seal) = value.rsplit_once('.')?;
        let (until, name) = claim.split_once('.')?;
        let sealed = is_same(self.seal("session", claim).as_bytes(), seal.as_bytes());
        let lasts = until.parse::<i64>().is_ok_and(|until| now.timestamp() < until);
        let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
        (sealed && lasts).then(|| Operator { name, code: self.seal("form", value) })
    }

    /// A code that only the holder of the token can make.
    fn seal(&self, what: &str, text: &str) -> String {
        // HMAC takes a key of any length; without a code nobody is let in.
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.token) else { return String::new() };
        let mac =
            mac.chain_update(b"declic console ").chain_update(what).chain_update([0]).chain_update(text);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

impl Operator {
    /// Whether a form was made for this operator.
    pub fn made(&self, code: &str) -> bool {
        !self.code.is_empty() && is_same(self.code.as_bytes(), code.as_bytes())
    }
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use axum::http::header::AUTHORIZATION;

    use super::*;

    const TOKEN: &[u8] = b"a token of thirty-two characters";

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, format!("other=1; {NAME}={cookie}").parse().unwrap())])
    }

    #[test]
    fn a_cookie_lets_in_who_has_shown_the_token_for_a_while() {
        let (sessions, now) = (Sessions::new(TOKEN.into()), Clock::Real.wall());
        let value = sessions.begin("Zoé", now);
        let who = sessions.who(&with(&value), now).unwrap();
        assert_eq!(who.name, "Zoé");
        assert!(who.made(&who.code) && !who.made("") && !who.made("x"));
        assert_eq!(sessions.who(&with(&value), now + LASTS), None, "its time is over");
        assert_eq!(
            Sessions::new(b"another token".as_slice().into()).who(&with(&value), now),
            None,
            "the token was changed"
        );
        assert_ne!(sessions.who(&with(&sessions.begin("Zoé", now + LASTS)), now).unwrap().code, who.code);
    }

    #[test]
    fn whatever_else_is_in_a_cookie_lets_nobody_in() {
        let (sessions, now) = (Sessions::new(TOKEN.into()), Clock::Real.wall());
        let good = sessions.begin("eve", now);
        let (claim, seal) = good.rsplit_once('.').unwrap();
        let (until, name) = claim.split_once('.').unwrap();
        let longer = until.parse::<i64>().unwrap() + 1;
        for bad in [
            String::new(),
            "..".to_owned(),
            claim.to_owned(),
            format!("{longer}.{name}.{seal}"),
            format!("{until}.{}.{seal}", URL_SAFE_NO_PAD.encode("root")),
            format!("{claim}.{}", &seal[1..]),
            format!("{good}x"),
        ] {
            assert_eq!(sessions.who(&with(&bad), now), None, "{bad}");
        }
        assert_eq!(sessions.who(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_program_brings_the_token_itself() {
        let (sessions, now) = (Sessions::new(TOKEN.into()), Clock::Real.wall());
        let token = std::str::from_utf8(TOKEN).unwrap();
        for (given, expected) in [(token, true), ("something else of the same length!", false)] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {given}").parse().unwrap())]);
            assert_eq!(sessions.who(&headers, now).is_some(), expected, "{given}");
        }
    }

    use crate::clock::Clock;
}
