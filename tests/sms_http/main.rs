//! SMS over HTTP against a provider of our own that fails in every way that providers do. Loopback only; needs no
//! server to be installed.

mod failures;
mod hooks;
mod pages;
mod presets;
mod stub;

use chrono::DateTime;
use declic::channels::{HttpSms, HttpSmsConfig, Sms};
use declic::domain::sms::Encoding;

/// A message of one part.
fn sms() -> Sms {
    Sms {
        message_id: "0123456789abcdef0123456789abcdef".to_owned(),
        from: Some("LUMEN".to_owned()),
        to: "+33612345678".to_owned(),
        text: "Zoé : -20 % & \"plus\"\nSTOP 36111".to_owned(),
        encoding: Encoding::Ucs2,
        segments: 1,
        expires_at: DateTime::UNIX_EPOCH,
        leave_by: DateTime::UNIX_EPOCH,
        customer_id: "c-1".to_owned(),
        rule: "welcome".to_owned(),
        locale: "fr".to_owned(),
        purpose: "marketing".to_owned(),
        trace: None,
    }
}

fn config(text: &str) -> HttpSmsConfig {
    toml::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn channel(text: &str) -> HttpSms {
    HttpSms::new(&config(text), "https://news.example.com").unwrap_or_else(|e| panic!("{e}\n{text}"))
}
