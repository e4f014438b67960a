//! Mails that came back: what takes them in, built from the configuration for the worker and for `declic bounces`.

pub use crate::incoming::bounces::{Bounces, BouncesConfig, Taken};
pub use crate::incoming::maildir::{beginning, read as read_maildir};
pub use crate::incoming::webhook::{Refusal, Webhook};

use crate::active::{Active, Shelf};
use crate::channels::SmtpConfig;
use crate::config::{Config, ConfigError};
use crate::domain::bounce::verp::BounceAddress;
use crate::process::Processor;
use crate::store::Store;

/// Reads `[bounces]` and refuses what it cannot mean.
pub fn section(config: &Config) -> Result<BouncesConfig, ConfigError> {
    let section: BouncesConfig = config.section("bounces")?.unwrap_or_default();
    for (key, value) in [("bounces.soft_limit", section.soft_limit), ("bounces.soft_days", section.soft_days)]
    {
        if value == 0 {
            return Err(config.invalid(key, format!("`{key}` must be at least 1")));
        }
    }
    if let Some(webhook) = &section.webhook {
        Webhook::new(webhook).map_err(|words| config.invalid("bounces.webhook", words))?;
    }
    if section.soft_days < 7 {
        let message =
            "`bounces.soft_days` must be at least 7: reports wait as long for the record of their message";
        return Err(config.invalid("bounces.soft_days", message));
    }
    Ok(section)
}

/// Where bounces come back to, when each message has a return path of its own.
pub fn address(config: &Config, smtp: Option<&SmtpConfig>) -> Result<Option<BounceAddress>, ConfigError> {
    let Some(address) = smtp.and_then(|smtp| smtp.bounce_address.as_ref()) else { return Ok(None) };
    BounceAddress::parse(address).map(Some).map_err(|words| config.invalid("smtp.bounce_address", words))
}

/// Without a worker: settled with the rules that are in force.
pub async fn of_config(config: &Config, store: Store, active: Active) -> anyhow::Result<Bounces> {
    let smtp: Option<SmtpConfig> = config.section("smtp")?;
    let shelf = Shelf::new(active);
    Ok(Bounces {
        processor: Processor::new(store.clone(), shelf.clone(), config.clock()),
        clock: config.clock(),
        config: section(config)?,
        address: address(config, smtp.as_ref())?,
        keys: super::keys(config, &store).await?,
        store,
        shelf,
    })
}
