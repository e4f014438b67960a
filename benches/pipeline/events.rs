//! The events that benches publish.

use chrono::{DateTime, SecondsFormat};
use serde_json::json;

use crate::support::micros;
use crate::support::shop::event;

/// Changes of profiles, which no rule looks at: each customer is changed twice.
pub fn changes(count: usize, prefix: &str) -> Vec<String> {
    let time = now();
    (0..count)
        .map(|n| {
            let customer = format!("{prefix}-{}", n % count.div_ceil(2));
            let data = json!({
                "email": format!("{customer}@example.org"), "first_name": "Camille", "last_name": "Durand",
                "locale": "fr-FR", "city": "Lyon", "loyalty_points": n, "newsletter": true,
            });
            event(&format!("{prefix}-change-{n}"), "customer.updated", &customer, &time, data)
        })
        .collect()
}

/// Sign-ups of as many customers.
pub fn sign_ups(count: usize, prefix: &str) -> Vec<String> {
    let time = now();
    (0..count).map(|n| sign_up(&format!("{prefix}-{n}"), &time)).collect()
}

pub fn sign_up(customer: &str, time: &str) -> String {
    let data =
        json!({"email": format!("{customer}@example.org"), "first_name": "Camille", "locale": "fr-FR"});
    event(&format!("sign-up-{customer}"), "customer.signed_up", customer, time, data)
}

/// The present instant, as events write it.
pub fn now() -> String {
    DateTime::from_timestamp_micros(micros()).expect("a time").to_rfc3339_opts(SecondsFormat::Micros, true)
}
