//! SMS over HTTP: any provider that takes a message as one request, described in the configuration.
//!
//! `config` is the description and `presets` holds some, `provider` checks one, `template` and `form` write a
//! message as it asks, `client` speaks to it over `wire`, `outcome` says what its answer means, `mask` keeps numbers
//! out of it. `webhook` takes what the provider tells of its own accord: `verify` makes sure that it is the provider
//! who speaks, `report` reads it. Nothing here keeps state about messages or tries one twice.

mod client;
mod config;
mod form;
mod mask;
mod outcome;
mod presets;
mod provider;
mod report;
mod template;
#[cfg(test)]
mod tests;
mod verify;
mod webhook;
mod wire;

pub use client::HttpSms;
pub use config::{
    Auth, Code, ContentType, Encoding, Errors, HttpSmsConfig, InboundFields, Method, StateWord, StatusFields,
    Verify, WebhookConfig,
};
pub use presets::names as preset_names;
pub use webhook::{Call, Refusal, Webhooks};

/// The host that messages are posted to, and whether over TLS.
///
/// # Errors
/// What is wrong with the description, in words.
pub fn server(config: &HttpSmsConfig) -> Result<(String, bool), String> {
    let uri = provider::Provider::new(&presets::with_preset(config)?)?.uri;
    Ok((uri.host().unwrap_or_default().to_owned(), uri.scheme_str() == Some("https")))
}
