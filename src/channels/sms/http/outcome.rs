//! What a provider's answer means for the message, the number and the provider.
//!
//! The provider's own codes come first, then the status (RFC 9110). Refusals have a scope: ours (the provider
//! pauses), the number's, or the message's. A message is refused for good only in the provider's own words: a page
//! in another form comes from something between us, and says nothing of the message.

use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;

use super::config::Code;
use super::mask::without_number;
use super::provider::Provider;
use super::template::plain;
use crate::channels::Answer;

/// Characters of a provider's words that are kept.
const LONGEST_WORDS: usize = 400;

/// An answer over HTTP.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// `Retry-After`, as it was said.
    pub retry_after: Option<String>,
    /// `Date`: what a `Retry-After` that is an instant counts from, whatever our clock shows.
    pub date: Option<String>,
    /// The body, or why there is no whole one.
    pub body: Result<Vec<u8>, String>,
}

/// What a code or a status is listed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    AlreadyAccepted,
    BadAddress,
    Throttled,
    ProviderRefused,
    OptedOut,
    Permanent,
}

/// Whether a refusal says that the customer has told the provider to stop.
pub fn is_opt_out(provider: &Provider, reply: &Reply) -> bool {
    let code = json(reply).and_then(|body| scalar(body.pointer(provider.error_pointer.as_ref()?)?));
    listed(provider, reply.status, code.as_deref()) == Some(Listed::OptedOut)
}

fn json(reply: &Reply) -> Option<Value> {
    reply.body.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok())
}

/// The meaning of an answer to a message for `to`.
pub fn answer(provider: &Provider, reply: &Reply, to: &str) -> Answer {
    match (meaning(provider, reply, to), pause(reply)) {
        (Answer::Busy { reply }, Some(pause)) => Answer::Wait { reply, pause },
        (answer, _) => answer,
    }
}

/// How long the provider asks to be left alone (RFC 9110, 10.2.3): seconds, or until an instant.
fn pause(reply: &Reply) -> Option<Duration> {
    let said = reply.retry_after.as_deref()?.trim();
    if let Ok(seconds) = said.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let instant = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok();
    (instant(said)? - instant(reply.date.as_deref()?)?).to_std().ok()
}

fn meaning(provider: &Provider, reply: &Reply, to: &str) -> Answer {
    let json = json(reply);
    let at = |pointer: &Option<String>| json.as_ref()?.pointer(pointer.as_ref()?).cloned();
    let ids = at(&provider.id_pointer).map(|found| names(&found)).unwrap_or_default();
    let code = at(&provider.error_pointer).and_then(|found| scalar(&found));
    let words =
        words(reply, code.as_deref(), &ids, at(&provider.message_pointer).and_then(|w| scalar(&w)), to);
    let succeeded = (200..300).contains(&reply.status);
    if succeeded && !ids.is_empty() {
        return Answer::Accepted { reply: words, ids };
    }
    if let Some(listed) = listed(provider, reply.status, code.as_deref()) {
        return match listed {
            Listed::AlreadyAccepted => Answer::Accepted { reply: words, ids },
            Listed::BadAddress => Answer::Refused { reply: words, bad_address: true },
            Listed::Throttled => Answer::Busy { reply: words },
            Listed::ProviderRefused => Answer::ProviderRefused { reply: words },
            Listed::OptedOut | Listed::Permanent => Answer::Refused { reply: words, bad_address: false },
        };
    }
    if succeeded {
        return without_name(
            provider,
            reply,
            json.is_some(),
            code.is_some_and(|code| is_error(&code)),
            words,
        );
    }
    by_status(provider, reply, json.is_some(), words)
}

/// A request that may have been acted upon, and no answer says whether it was.
pub fn unknown(provider: &Provider, words: String) -> Answer {
    if provider.is_idempotent() { Answer::Busy { reply: words } } else { Answer::Uncertain { detail: words } }
}

/// A success that names no message.
fn without_name(
    provider: &Provider,
    reply: &Reply,
    is_json: bool,
    says_error: bool,
    words: String,
) -> Answer {
    if says_error {
        return Answer::Refused { reply: words, bad_address: false };
    }
    let expected = provider.id_pointer.is_some();
    match &reply.body {
        Err(_) if provider.errors_in_2xx => return unknown(provider, words),
        Ok(body) if expected && !is_json && !body.trim_ascii().is_empty() => {
            return unknown(
                provider,
                format!("{words}: not the provider's form, so perhaps not the provider"),
            );
        }
        _ => {}
    }
    if expected {
        tracing::warn!(reply = words, "the SMS provider took a message and did not say under which name");
    }
    Answer::Accepted { reply: words, ids: Vec::new() }
}

/// A status that is no success and that no list speaks of.
fn by_status(provider: &Provider, reply: &Reply, is_json: bool, words: String) -> Answer {
    match reply.status {
        // Not acted upon: too early, too many, or the server gave up waiting for the request.
        408 | 425 | 429 | 503 => Answer::Busy { reply: words },
        // The first request with this identity is still being worked on.
        409 if provider.is_idempotent() => Answer::Busy { reply: words },
        300..=399 => Answer::ProviderRefused {
            reply: format!("{words}: redirects are not followed; correct `sms.url`"),
        },
        // The secret, the credit, the address, the method: the next message would fare no better.
        401 | 402 | 403 | 404 | 405 | 406 | 407 | 410 | 415 | 421 | 426 | 431 | 451 => {
            Answer::ProviderRefused { reply: words }
        }
        400..=499 if reply.body.is_err() => Answer::Retry { reply: words },
        400..=499 if provider.error_pointer.is_some() && !is_json => Answer::ProviderRefused { reply: words },
        400..=499 => Answer::Refused { reply: words, bad_address: false },
        // The server does not know such requests.
        501 | 505 => Answer::ProviderRefused { reply: words },
        _ => unknown(provider, words),
    }
}

fn listed(provider: &Provider, status: u16, code: Option<&str>) -> Option<Listed> {
    let status = format!("http:{status}");
    let errors = &provider.errors;
    let lists = [
        (Listed::AlreadyAccepted, &errors.already_accepted),
        (Listed::BadAddress, &errors.bad_address),
        (Listed::Throttled, &errors.throttled),
        (Listed::ProviderRefused, &errors.provider_refused),
        (Listed::OptedOut, &errors.opted_out),
        (Listed::Permanent, &errors.permanent),
    ];
    let holds = |wanted: &str| {
        let found = lists.iter().find(|(_, codes)| codes.iter().any(|code: &Code| code.is(wanted)));
        found.map(|(listed, _)| *listed)
    };
    // A code says more than a status.
    code.and_then(holds).or_else(|| holds(&status))
}

/// Status, code, name and words, in one line without the number.
fn words(reply: &Reply, code: Option<&str>, ids: &[String], message: Option<String>, to: &str) -> String {
    let mut words = reply.status.to_string();
    let parts = code.into_iter().filter(|code| is_error(code)).chain(ids.iter().map(String::as_str));
    for part in parts {
        words.push(' ');
        words.push_str(part);
    }
    if let Some(message) = message {
        words.push(' ');
        words.push_str(&without_number(&message, to));
    }
    if let Some(wait) = &reply.retry_after {
        words.push_str(&format!(" (asks to wait: {wait})"));
    }
    if let Err(why) = &reply.body {
        words.push_str(&format!(" ({why})"));
    }
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_WORDS).collect()
}

/// The names of the message: one, or those of a list, each once.
fn names(found: &Value) -> Vec<String> {
    let all: Vec<&Value> = found.as_array().map_or_else(|| vec![found], |items| items.iter().collect());
    let mut names: Vec<String> = Vec::new();
    for name in all.into_iter().filter_map(scalar) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A text or a number that says something.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_) | Value::Number(_) => Some(plain(value)).filter(|text| !text.trim().is_empty()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Some providers give the code of success too.
fn is_error(code: &str) -> bool {
    !code.chars().all(|c| c == '0') && !code.eq_ignore_ascii_case("ok")
}

#[cfg(test)]
mod tests;
