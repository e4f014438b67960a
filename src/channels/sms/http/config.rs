//! The `[sms]` part of the configuration: one provider of SMS over HTTP, as a preset or as a description.
//!
//! A preset is such a description too, kept in `presets/`; what is configured is laid over it. Only shape is
//! checked here; [`HttpSms::new`](super::HttpSms::new) refuses what does not fit together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::channels::limits::Limits;
use crate::secret::Secret;

/// How to reach the provider, how to say a message, and how to understand the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSmsConfig {
    /// A description that is already there: `twilio`, `brevo`, `smsmode`, `octopush`.
    pub preset: Option<String>,
    /// The account's name at the provider, for those that want one beside the secret: `{{account}}` in templates.
    pub account: Option<String>,
    /// The password, token or key that `auth` sends.
    pub secret: Option<Secret>,
    /// Where messages are posted to; may hold `{{account}}`.
    pub url: Option<String>,
    pub method: Option<Method>,
    pub auth: Option<Auth>,
    pub content_type: Option<ContentType>,
    /// Further headers; values may hold `{{account}}`.
    pub headers: BTreeMap<String, String>,
    /// The fields of the body. Strings are templates, the rest goes as it is; a field that names a value which
    /// the message does not have is left out.
    pub body: toml::Table,
    /// Where the answer holds the provider's name for the message (RFC 6901); a list there gives several.
    pub id_pointer: Option<String>,
    /// Where the answer holds the code of an error.
    pub error_pointer: Option<String>,
    /// Where the answer says in words what is wrong.
    pub message_pointer: Option<String>,
    pub errors: Errors,
    /// Whether errors also come with a status of success: then one whose body is lost is no acceptance.
    pub errors_in_2xx: Option<bool>,
    /// The header that carries the message's identity, where the provider takes two requests with the same one as
    /// one message; only then is a request whose answer was lost sent again.
    pub idempotency_header: Option<String>,
    /// Whether requests carry the header `traceparent` (W3C Trace Context) where the event did. By default they do where
    /// `url` names a server of one's own choosing, and not to a provider that is known by its preset alone: what such a
    /// trace belongs to is none of its business.
    pub traceparent: Option<bool>,
    /// A path on the same host that can be asked for (`GET`) without consequence, to try the secret.
    pub check_path: Option<String>,
    /// Whether `http://` may be used to other machines: whoever is on the way then reads the secret.
    pub allow_http: bool,
    /// Certificate authorities in PEM, trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// How many requests are under way at most.
    pub connections: usize,
    /// Seconds for one whole send, waiting for a free connection included. Must be shorter than a lease.
    pub send_deadline_s: u64,
    /// Seconds to reach the server, TLS not included.
    pub connect_timeout_s: u64,
    /// Seconds after which an idle connection is not used again. Keep it below the provider's own limit: a request
    /// on a connection that is just being closed is of unknown fate.
    pub idle_s: u64,
    /// Messages a second at most, for this process; what one account may send.
    pub max_rate: Option<f64>,
    /// Messages that may go at once after a quiet moment; by default what a quarter of a second brings.
    pub burst: Option<u32>,
    /// Where the provider works (ISO 3166-1 alpha-2), for the register of processing.
    pub country: Option<String>,
    pub webhook: WebhookConfig,
}

impl HttpSmsConfig {
    /// What the provider takes.
    pub fn limits(&self) -> Limits {
        Limits { max_rate: self.max_rate, burst: self.burst, ..Limits::default() }
    }
}

impl Default for HttpSmsConfig {
    fn default() -> Self {
        Self {
            preset: None,
            account: None,
            secret: None,
            url: None,
            method: None,
            auth: None,
            content_type: None,
            headers: BTreeMap::new(),
            body: toml::Table::new(),
            id_pointer: None,
            error_pointer: None,
            message_pointer: None,
            errors: Errors::default(),
            errors_in_2xx: None,
            idempotency_header: None,
            traceparent: None,
            check_path: None,
            allow_http: false,
            ca_file: None,
            connections: 8,
            send_deadline_s: 20,
            connect_timeout_s: 5,
            idle_s: 15,
            max_rate: None,
            burst: None,
            country: None,
            webhook: WebhookConfig::default(),
        }
    }
}

/// Methods whose request has a body: only then is it known whether a request has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Method {
    #[serde(rename = "POST")]
    Post,
    #[serde(rename = "PUT")]
    Put,
}

/// How the provider knows us; the secret itself is `[sms] secret`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Auth {
    None,
    /// RFC 7617; the secret is the password. The user's name may hold `{{account}}`.
    Basic {
        username: String,
    },
    /// RFC 6750.
    Bearer,
    /// A header of this name holds the secret.
    Header {
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// What the provider's refusals mean, as codes found at `error_pointer`, or `http:404` for a status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Errors {
    /// The provider has the message already.
    pub already_accepted: Vec<Code>,
    /// Nobody will ever get an SMS at this number.
    pub bad_address: Vec<Code>,
    /// Too many at once, or the provider is in trouble.
    pub throttled: Vec<Code>,
    /// It is about us: the key, the credit, the sender.
    pub provider_refused: Vec<Code>,
    /// The customer has told the provider to stop.
    pub opted_out: Vec<Code>,
    /// This message will never be accepted.
    pub permanent: Vec<Code>,
}

/// A code in an answer; a number is the same as its digits in a string.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Code {
    Number(i64),
    Text(String),
}

impl Code {
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Number(number) => text.parse() == Ok(*number),
            Self::Text(own) => own == text,
        }
    }
}

/// `[sms.webhook]`: what the provider tells of its own accord, and how we know that it is the provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// What requests are verified with. Without one, `verify = "twilio"` takes `[sms] secret`; the others take
    /// nothing in.
    pub secret: Option<Secret>,
    pub verify: Option<Verify>,
    pub status: StatusFields,
    pub inbound: InboundFields,
    /// The type and text of a success, where the provider reads it.
    pub reply_type: Option<String>,
    pub reply_body: Option<String>,
}

/// How a request shows that it comes from the provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verify {
    /// `X-Twilio-Signature`: HMAC-SHA1 over the URL and the form.
    Twilio,
    /// A header holds the HMAC-SHA256 of the body's bytes, after `prefix`.
    HmacSha256 {
        header: String,
        #[serde(default)]
        encoding: Encoding,
        #[serde(default)]
        prefix: String,
    },
    /// The secret is the last part of the path: for providers that sign nothing.
    Path,
    /// RFC 7617; the secret is the password.
    Basic { username: String },
    /// A header of this name holds the secret, after `prefix` (such as `Bearer `).
    Header {
        name: String,
        #[serde(default)]
        prefix: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

/// Where a report holds what (RFC 6901, from each item of a list; the fields of a form are those of one object).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatusFields {
    /// The list of reports within the body; without one, the body is the list or the only report.
    pub items: Option<String>,
    pub id: Option<String>,
    pub state: Option<String>,
    /// The code of an error.
    pub code: Option<String>,
    /// RFC 3339, or seconds or milliseconds since 1970; a time without its zone says nothing.
    pub at: Option<String>,
    /// What the provider's words mean. Any other word means that nothing is decided yet.
    pub states: BTreeMap<String, StateWord>,
    /// Codes that turn a failure into one of the address.
    pub bad_address: Vec<Code>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateWord {
    Pending,
    Delivered,
    Failed,
    BadAddress,
}

/// Where a customer's message holds what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InboundFields {
    pub items: Option<String>,
    /// Without one, the identity is derived from all that the item says.
    pub id: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub text: Option<String>,
    pub at: Option<String>,
}
