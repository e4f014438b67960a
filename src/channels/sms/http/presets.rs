//! Providers that are already described: data in the very form of the configuration, so that there is one engine.

use std::collections::BTreeMap;

use super::config::{Errors, HttpSmsConfig, InboundFields, StatusFields, WebhookConfig};

const PRESETS: [(&str, &str); 4] = [
    ("brevo", include_str!("presets/brevo.toml")),
    ("octopush", include_str!("presets/octopush.toml")),
    ("smsmode", include_str!("presets/smsmode.toml")),
    ("twilio", include_str!("presets/twilio.toml")),
];

/// The names that `preset` may have.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The configuration with its preset below it. The error names the presets there are.
pub fn with_preset(own: &HttpSmsConfig) -> Result<HttpSmsConfig, String> {
    let Some(name) = &own.preset else {
        return Ok(HttpSmsConfig { traceparent: own.traceparent.or(Some(true)), ..own.clone() });
    };
    let Some((_, text)) = PRESETS.iter().find(|(known, _)| known == name) else {
        let known: Vec<_> = names().map(|name| format!("`{name}`")).collect();
        return Err(format!("`preset` is `{name}`; there are {}", known.join(", ")));
    };
    let base = toml::from_str(text).map_err(|error| format!("the preset `{name}`: {}", error.message()))?;
    Ok(laid_over(own.clone(), base))
}

fn laid_over(own: HttpSmsConfig, base: HttpSmsConfig) -> HttpSmsConfig {
    let chosen = own.traceparent.unwrap_or(own.url.is_some());
    HttpSmsConfig {
        account: own.account.or(base.account),
        url: own.url.or(base.url),
        method: own.method.or(base.method),
        auth: own.auth.or(base.auth),
        content_type: own.content_type.or(base.content_type),
        headers: both(own.headers, base.headers),
        body: tables(own.body, base.body),
        id_pointer: own.id_pointer.or(base.id_pointer),
        error_pointer: own.error_pointer.or(base.error_pointer),
        message_pointer: own.message_pointer.or(base.message_pointer),
        errors: errors(own.errors, base.errors),
        errors_in_2xx: own.errors_in_2xx.or(base.errors_in_2xx),
        idempotency_header: own.idempotency_header.or(base.idempotency_header),
        check_path: own.check_path.or(base.check_path),
        webhook: webhook(own.webhook, base.webhook),
        traceparent: Some(chosen),
        // The rest is no description but how we go about it.
        ..own
    }
}

fn webhook(own: WebhookConfig, base: WebhookConfig) -> WebhookConfig {
    WebhookConfig {
        secret: own.secret,
        verify: own.verify.or(base.verify),
        status: StatusFields {
            items: own.status.items.or(base.status.items),
            id: own.status.id.or(base.status.id),
            state: own.status.state.or(base.status.state),
            code: own.status.code.or(base.status.code),
            at: own.status.at.or(base.status.at),
            states: both(own.status.states, base.status.states),
            bad_address: joined(own.status.bad_address, base.status.bad_address),
        },
        inbound: InboundFields {
            items: own.inbound.items.or(base.inbound.items),
            id: own.inbound.id.or(base.inbound.id),
            from: own.inbound.from.or(base.inbound.from),
            to: own.inbound.to.or(base.inbound.to),
            text: own.inbound.text.or(base.inbound.text),
            at: own.inbound.at.or(base.inbound.at),
        },
        reply_type: own.reply_type.or(base.reply_type),
        reply_body: own.reply_body.or(base.reply_body),
    }
}

fn errors(own: Errors, base: Errors) -> Errors {
    Errors {
        already_accepted: joined(own.already_accepted, base.already_accepted),
        bad_address: joined(own.bad_address, base.bad_address),
        throttled: joined(own.throttled, base.throttled),
        provider_refused: joined(own.provider_refused, base.provider_refused),
        opted_out: joined(own.opted_out, base.opted_out),
        permanent: joined(own.permanent, base.permanent),
    }
}

fn both<K: Ord, V>(own: BTreeMap<K, V>, mut base: BTreeMap<K, V>) -> BTreeMap<K, V> {
    base.extend(own);
    base
}

fn joined<T>(mut own: Vec<T>, base: Vec<T>) -> Vec<T> {
    own.extend(base);
    own
}

/// Tables within tables are laid over each other; anything else replaces what was there.
fn tables(own: toml::Table, mut base: toml::Table) -> toml::Table {
    for (key, value) in own {
        let value = match (value, base.remove(&key)) {
            (toml::Value::Table(own), Some(toml::Value::Table(below))) => {
                toml::Value::Table(tables(own, below))
            }
            (value, _) => value,
        };
        base.insert(key, value);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_told_to_a_server_that_the_configuration_names() {
        for (text, expected) in [
            ("url = 'https://gateway.example.com'", true),
            ("url = 'https://gateway.example.com'\ntraceparent = false", false),
            ("preset = 'twilio'", false),
            ("preset = 'twilio'\ntraceparent = true", true),
            ("preset = 'twilio'\nurl = 'https://gateway.example.com'", true),
        ] {
            let config: HttpSmsConfig = toml::from_str(text).unwrap();
            assert_eq!(with_preset(&config).unwrap().traceparent, Some(expected), "{text}");
        }
    }
}
