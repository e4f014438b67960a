//! What the configuration tells the register of processing: who gets data, how it is protected, how long it is kept.
//!
//! Reads the configuration only, and claims nothing that is not in it. Reaches for no server.

use std::net::IpAddr;

use super::bounces;
use super::ways::Sections;
use crate::broker::AmqpConfig;
use crate::channels::email::Tls as SmtpTls;
use crate::channels::sms::http;
use crate::channels::sms::smpp::Tls as SmppTls;
use crate::config::{Config, ConfigError};
use crate::domain::register::{Recipient, Role, SecretKept, Surroundings, Transport};
use crate::domain::rules::Policy;
use crate::retention;
use crate::store::Address;

/// All of it.
///
/// # Errors
/// A section that cannot be used, as the worker would refuse it.
pub fn surroundings(config: &Config, policy: &Policy) -> Result<Surroundings, ConfigError> {
    let secret = match (&config.secret, config.uses_sqlite()) {
        (Some(_), _) => SecretKept::Apart,
        (None, true) => SecretKept::InDatabase,
        (None, false) => SecretKept::Missing,
    };
    Ok(Surroundings {
        recipients: recipients(config)?,
        kept: retention::kept(bounces::section(config)?.kept(), &policy.retention),
        secret,
        public_over_tls: config.public.base_url().starts_with("https://"),
        admin_guarded: config.admin.is_guarded(),
        profiles_encrypted: config.database.encrypt_profiles,
    })
}

fn recipients(config: &Config) -> Result<Vec<Recipient>, ConfigError> {
    // Taken apart whole: a section for another provider has to be told here too.
    let Sections { smtp, sms, smpp, bounces: _, bounce_address: _ } = Sections::read(config)?;
    let mut recipients = vec![database(config)?];
    if let Some(amqp) = config.section::<AmqpConfig>("amqp")? {
        let transport = transport(amqp.url.host(), amqp.url.is_tls());
        recipients.push(recipient(Role::Broker, amqp.url.host(), amqp.country, transport));
    }
    if let Some(smtp) = smtp {
        let transport = transport(&smtp.host, smtp.tls != SmtpTls::None);
        recipients.push(recipient(Role::Mail, &smtp.host, smtp.country, transport));
    }
    if let Some(sms) = sms {
        let (host, over_tls) = http::server(&sms).map_err(|words| config.invalid("sms", words))?;
        let transport = transport(&host, over_tls);
        let recipient = recipient(Role::SmsHttp, &host, sms.country, transport);
        recipients.push(Recipient { provider: sms.preset, ..recipient });
    }
    if let Some(smpp) = smpp {
        let transport = transport(&smpp.host, smpp.tls != SmppTls::None);
        recipients.push(recipient(Role::Smpp, &smpp.host, smpp.country, transport));
    }
    Ok(recipients)
}

fn database(config: &Config) -> Result<Recipient, ConfigError> {
    let at = Address::of(config.database_url()).map_err(|e| config.invalid("database.url", e.to_string()))?;
    let country = config.database.country.clone();
    Ok(match at {
        Address::File(path) => recipient(Role::Database, &path, country, Transport::SameMachine),
        Address::Host { host, tls_required } => {
            let transport = transport(&host, tls_required);
            recipient(Role::Database, &host, country, transport)
        }
    })
}

fn recipient(role: Role, host: &str, country: Option<String>, transport: Transport) -> Recipient {
    Recipient { role, host: host.to_owned(), provider: None, country, transport }
}

/// What protects the way to a host: TLS where it is required, else that it is no way at all.
fn transport(host: &str, tls_required: bool) -> Transport {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match tls_required {
        true => Transport::Tls,
        false if here => Transport::SameMachine,
        false => Transport::Open,
    }
}

#[cfg(test)]
mod tests;
