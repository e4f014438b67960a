//! What providers of e-mail post to a webhook, as notices. Whether the provider speaks is for the caller to find out.
//!
//! All post JSON. What does not mean that a mail came back (opened, delivered, tried again later) is passed over, as is
//! what a later version of theirs adds.

mod brevo;
mod mailgun;
mod mailjet;
mod postmark;
mod sendgrid;
mod ses;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::Value;

use super::notice::Notice;

/// Notices in one request; providers that gather them send fewer.
const MOST_NOTICES: usize = 10_000;

/// Who posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    Brevo,
    Mailgun,
    Mailjet,
    Postmark,
    Sendgrid,
    /// Amazon SES, through a topic of Amazon SNS.
    Ses,
}

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    Notices(Vec<Notice>),
    /// The provider wants somebody to open this address before it posts anything.
    Confirm(String),
}

/// Reads a request's body. The error holds nothing of it.
pub fn read(provider: Provider, body: &[u8]) -> Result<Posted, String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON".to_owned())?;
    let one: fn(&Value) -> Option<Notice> = match provider {
        Provider::Ses => return ses::read(&value),
        Provider::Brevo => brevo::notice,
        Provider::Mailgun => mailgun::notice,
        Provider::Mailjet => mailjet::notice,
        Provider::Postmark => postmark::notice,
        Provider::Sendgrid => sendgrid::notice,
    };
    let items = match &value {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => std::slice::from_ref(&value),
        _ => return Err("the body is neither an object nor a list of objects".to_owned()),
    };
    if items.len() > MOST_NOTICES {
        return Err(format!("more than {MOST_NOTICES} notices at once"));
    }
    Ok(Posted::Notices(items.iter().filter_map(one).collect()))
}

/// A text, or a number as one; empty where there is neither.
fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
