//! (stub)
use crate::broker::AmqpConfig;
use crate::channels::{Secret, SmtpConfig};
use crate::clock::Clock;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub secret: Option<Secret>,
    pub database: Database,
    pub amqp: Option<AmqpConfig>,
    pub smtp: Option<SmtpConfig>,
    pub public: Public,
    pub admin: Admin,
    pub worker: Worker,
    pub clock: ClockSection,
}
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    pub url: Option<Secret>,
    pub max_connections: u32,
}
impl Default for Database {
    fn default() -> Self {
        Self { url: None, max_connections: 10 }
    }
}
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Public {
    pub listen: SocketAddr,
    pub base_url: Option<String>,
}
impl Default for Public {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 8026).into(), base_url: None }
    }
}
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    pub listen: SocketAddr,
}
impl Default for Admin {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 8025).into() }
    }
}
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    pub senders: usize,
    pub claim: u32,
    pub lease_s: u64,
    pub shutdown_deadline_s: u64,
}
impl Default for Worker {
    fn default() -> Self {
        Self { senders: 4, claim: 200, lease_s: 120, shutdown_deadline_s: 25 }
    }
}
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockSection {
    pub start: Option<DateTime<Utc>>,
    pub speed: f64,
}
impl Default for ClockSection {
    fn default() -> Self {
        Self { start: None, speed: 1.0 }
    }
}
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);
impl Config {
    pub fn load(
        path: Option<&Path>,
        _env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let p = path.unwrap_or(Path::new("declic.toml"));
        if path.is_none() && !p.exists() {
            return Ok(Self::default());
        }
        toml::from_str(&std::fs::read_to_string(p).map_err(|e| ConfigError(e.to_string()))?)
            .map_err(|e| ConfigError(e.to_string()))
    }
    pub fn clock(&self) -> Clock {
        match self.clock.start {
            Some(s) => Clock::scaled(s, self.clock.speed),
            None => Clock::Real,
        }
    }
    pub fn is_embedded(&self) -> bool {
        self.database.url.as_ref().is_none_or(|u| u.expose().starts_with("sqlite:"))
    }
    pub fn database_url(&self) -> String {
        self.database.url.as_ref().map_or("sqlite:declic.db".into(), |u| u.expose().to_owned())
    }
    pub fn smtp(&self) -> Result<Option<SmtpConfig>, ConfigError> {
        Ok(self.smtp.clone())
    }
    pub fn amqp(&self) -> Result<Option<AmqpConfig>, ConfigError> {
        Ok(self.amqp.clone())
    }
    pub fn public_url(&self) -> String {
        self.public.base_url.clone().unwrap_or_else(|| format!("http://{}", self.public.listen))
    }
    pub fn secret(&self) -> Option<String> {
        self.secret.as_ref().map(|s| s.expose().to_owned())
    }
}
