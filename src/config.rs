//! The configuration: all of `declic.toml`, what the environment says over it, and secrets from files.
//!
//! It reads, merges and checks, and tells exactly where a mistake stands. It never starts anything, never shows
//! a secret, and never interpolates the environment into the file. `cli` loads it, `app` builds from it.
//!
//! Precedence, lowest first: defaults, the file, the environment (`DECLIC_SECTION__KEY`). A key may be given
//! as `KEY_file` instead (`password_file`, `url_file`, …): the file's content without surrounding white space.

mod layers;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::clock::Clock;
use crate::domain::countries::is_code;
use crate::secret::Secret;
use crate::telemetry::LogFormat;

use layers::Layers;

/// Where the configuration is looked for when no path is given.
pub const DEFAULT_FILE: &str = "declic.toml";

/// Where state is kept in embedded mode: beside the rules, where it is found again.
pub const EMBEDDED_DATABASE: &str = "sqlite:declic.db";

/// Links and promo codes are keyed with the secret, and a token opens the operator's pages; shorter ones could be guessed.
const SHORTEST_SECRET: usize = 16;

/// Everything that can be configured. All of it has defaults: without any file Declic runs embedded.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Keys signed links, promo codes and split arms; must stay the same for years (`DECLIC_SECRET`).
    pub secret: Option<Secret>,
    /// What `secret` was before: links that these sealed still open, and nothing else is made of them.
    pub previous_secrets: Vec<Secret>,
    pub database: Database,
    pub public: Public,
    pub admin: Admin,
    pub worker: Worker,
    pub clock: ClockSection,
    pub telemetry: Telemetry,
    /// Sections that [`Config::section`] reads: their types belong to those who speak to the broker and the
    /// providers. Named here, so that a misspelt section is an unknown key.
    amqp: Option<IgnoredAny>,
    smtp: Option<IgnoredAny>,
    smpp: Option<IgnoredAny>,
    sms: Option<IgnoredAny>,
    bounces: Option<IgnoredAny>,
    /// Where each key came from, for errors found later.
    #[serde(skip)]
    layers: Layers,
}

/// `[database]`: where state is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://…`, or `sqlite:PATH`; without it, SQLite in a file of its own. May hold a password.
    pub url: Option<Secret>,
    /// Connections to PostgreSQL at most, for this process.
    pub max_connections: u32,
    /// Where it is kept (ISO 3166-1 alpha-2), for the register of processing.
    pub country: Option<String>,
    /// Whether what is written of customers is encrypted with the secret.
    pub encrypt_profiles: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, max_connections: 10, country: None, encrypt_profiles: false }
    }
}

/// `[public]`: the pages that customers reach (unsubscribe, preferences, confirmation).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Public {
    pub listen: SocketAddr,
    /// What links in messages begin with, without a slash at the end; `https://` wherever it is for real,
    /// as RFC 8058 asks of one-click unsubscribe.
    #[serde(deserialize_with = "base_url")]
    base_url: Option<String>,
    /// Pages and unknown links a minute that one client address may ask for; 0 for any number.
    pub views_per_minute: u32,
}

impl Public {
    /// What links in messages begin with; by default the address listened on.
    pub fn base_url(&self) -> String {
        self.base_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }
}

impl Default for Public {
    fn default() -> Self {
        Self { listen: loopback(8026), base_url: None, views_per_minute: 120 }
    }
}

/// `[admin]`: the operator's page, health and metrics. It shows customers' data: whoever reaches it from another machine is
/// asked for the token.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    pub listen: SocketAddr,
    /// What requests must bring (RFC 6750); none on loopback asks for nothing.
    pub token: Option<Secret>,
}

impl Admin {
    /// Whether nobody else reaches the pages, or whoever does is asked for a token.
    pub fn is_guarded(&self) -> bool {
        self.token.is_some() || self.listen.ip().to_canonical().is_loopback()
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: loopback(8025), token: None }
    }
}

/// `[telemetry]`: what the worker tells of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The form of log lines.
    pub log_format: LogFormat,
    /// Where spans are exported to: the address of an OpenTelemetry collector (OTLP over HTTP), as in `http://localhost:4318`.
    /// Without it OpenTelemetry's own variables say where, or nothing is exported.
    pub otlp_endpoint: Option<String>,
}

/// `[worker]`: how the worker goes about its work.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worker {
    /// Seconds a claimed message belongs to its worker; must be longer than one whole send may take.
    pub lease_s: u64,
    /// Seconds that work under way may take to end after a first signal; keep it below the 30 that
    /// container platforms wait before they kill.
    pub shutdown_deadline_s: u64,
    /// Messages that may wait in the outbox before the intake slows down.
    pub outbox_limit: u64,
    /// The folder that holds `rules/` and `templates/`, relative to the working directory.
    pub rules_dir: PathBuf,
}

impl Default for Worker {
    fn default() -> Self {
        Self { lease_s: 120, shutdown_deadline_s: 25, outbox_limit: 100_000, rules_dir: PathBuf::from(".") }
    }
}

/// `[clock]`: another time than the real one. For demos and tests; leave it alone everywhere else.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClockSection {
    /// What the clock shows at start; default: the real time.
    #[serde(deserialize_with = "instant")]
    pub start: Option<DateTime<Utc>>,
    /// How many times as fast as real time it runs.
    pub speed: f64,
    /// Where it stops; default: never.
    #[serde(deserialize_with = "instant")]
    pub end: Option<DateTime<Utc>>,
}

impl Default for ClockSection {
    fn default() -> Self {
        Self { start: None, speed: 1.0, end: None }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named (the configuration, or a `…_file`) cannot be read.
    #[error("{place}: cannot read {}", path.display())]
    Unreadable { place: Place, path: PathBuf, source: std::io::Error },
    /// Something in it is wrong.
    #[error("{place}: {message}")]
    Invalid { place: Place, message: String },
}

/// Where something in the configuration was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file; line and column count from 1.
    File { path: PathBuf, line: usize, column: usize },
    /// In an environment variable of this name.
    Variable(String),
    /// In no one place: a key that is missing, or the command line.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

/// Loads the configuration from `path` (which must then exist), else from [`DEFAULT_FILE`] if that exists,
/// with the environment over it.
///
/// Of `env` only `DECLIC_…` counts: names with `__` are keys (`DECLIC_SMTP__HOST` is `host` in `[smtp]`), and
/// `DECLIC_SECRET`, `DECLIC_PREVIOUS_SECRETS` and both with `_FILE` are keys of the root. Others are left to their readers: a container
/// platform may set `DECLIC_PORT` and the like on its own. A value is read as TOML where that fits the key, and
/// as plain text otherwise; an empty one counts as not set.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    let layers = Layers::read(path, env)?;
    let mut config: Config = layers.parse("")?;
    config.layers = layers;
    config.check()?;
    Ok(config)
}

/// The process's own environment, for [`load`]. A value that is no UTF-8 keeps what is readable of it, so that
/// a foreign variable cannot stop the start.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

impl Config {
    /// A section as the type its user defines; `None` if it is not configured at all.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        if self.layers.has(name) { self.layers.parse(name).map(Some) } else { Ok(None) }
    }

    /// Whether nothing of a production's surroundings is configured: neither a database nor a broker.
    pub fn is_embedded(&self) -> bool {
        self.database.url.is_none() && !self.layers.has("amqp.url")
    }

    /// Whether state is kept in SQLite: then its tables and the secret look after themselves.
    pub fn uses_sqlite(&self) -> bool {
        self.database_url().starts_with("sqlite:")
    }

    /// Where state is kept; the file [`EMBEDDED_DATABASE`] unless told otherwise.
    pub fn database_url(&self) -> &str {
        self.database.url.as_ref().map_or(EMBEDDED_DATABASE, Secret::expose)
    }

    /// The clock that rules run on.
    pub fn clock(&self) -> Clock {
        match self.clock.start {
            Some(start) => Clock::scaled(start, self.clock.speed, self.clock.end),
            None if self.clock.speed == 1.0 && self.clock.end.is_none() => Clock::Real,
            None => Clock::scaled(Clock::Real.now(), self.clock.speed, self.clock.end),
        }
    }

    /// An error about the key at `path` (such as `worker.lease_s`), at the place where it was said: for
    /// checks between sections, which only their users can make.
    pub fn invalid(&self, path: &str, message: impl Into<String>) -> ConfigError {
        self.layers.invalid(path, message.into())
    }

    /// Refuses operator's pages that others reach and that ask for nothing.
    ///
    /// # Errors
    /// A token that is too short, or none where the listener is not on loopback.
    pub fn check_admin(&self) -> Result<(), ConfigError> {
        if self.admin.token.as_ref().is_some_and(|token| token.expose().len() < SHORTEST_SECRET) {
            let message = format!("`admin.token` is shorter than {SHORTEST_SECRET} characters");
            return Err(self.invalid("admin.token", message));
        }
        if self.admin.is_guarded() {
            return Ok(());
        }
        let message = format!(
            "`admin.listen` is {}, which other machines reach, and whoever reaches it can read and change customers: give \
             it an `admin.token` of {SHORTEST_SECRET} characters or more (DECLIC_ADMIN__TOKEN; `openssl rand -base64 32` \
             makes one), or listen on 127.0.0.1",
            self.admin.listen
        );
        Err(self.invalid("admin.listen", message))
    }

    /// What types alone cannot say.
    fn check(&self) -> Result<(), ConfigError> {
        let too_short = |secret: &Secret| secret.expose().len() < SHORTEST_SECRET;
        if self.secret.as_ref().is_some_and(too_short) {
            let message = format!("the secret is shorter than {SHORTEST_SECRET} characters");
            return Err(self.invalid("secret", message));
        }
        if let Some(at) = self.previous_secrets.iter().position(too_short) {
            let message =
                format!("the previous secret {} is shorter than {SHORTEST_SECRET} characters", at + 1);
            return Err(self.invalid(&format!("previous_secrets[{at}]"), message));
        }
        self.check_admin()?;
        let known = ["postgres://", "postgresql://", "sqlite:"];
        let url = self.database.url.as_ref().map(Secret::expose);
        if url.is_some_and(|url| !known.iter().any(|scheme| url.starts_with(scheme))) {
            let message = "the database's URL begins with `postgres://` or `sqlite:`";
            return Err(self.invalid("database.url", message));
        }
        if self.database.encrypt_profiles && self.secret.is_none() {
            let message = "`encrypt_profiles` needs a `secret` that is not kept in the database itself (DECLIC_SECRET; \
                           `openssl rand -base64 32` makes one)";
            return Err(self.invalid("database.encrypt_profiles", message));
        }
        for (path, value) in [
            ("database.max_connections", u64::from(self.database.max_connections)),
            ("worker.lease_s", self.worker.lease_s),
            ("worker.outbox_limit", self.worker.outbox_limit),
        ] {
            if value == 0 {
                return Err(self.invalid(path, format!("`{path}` must be at least 1")));
            }
        }
        for section in ["database", "amqp", "smtp", "sms", "smpp"] {
            let path = format!("{section}.country");
            if let Some(country) = self.layers.text(&path)
                && !is_code(country)
            {
                let message = format!("`{path}` is the two capital letters of ISO 3166-1, like \"FR\"");
                return Err(self.invalid(&path, message));
            }
        }
        if !(self.clock.speed.is_finite() && self.clock.speed > 0.0) {
            return Err(self.invalid("clock.speed", "`clock.speed` must be a number above 0"));
        }
        if self.public.listen == self.admin.listen && self.public.listen.port() != 0 {
            let message = format!("`public.listen` and `admin.listen` are both {}", self.public.listen);
            return Err(self.invalid("public.listen", message));
        }
        Ok(())
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) || text.contains(['?', '#', ' ']) {
        return Err(serde::de::Error::custom("not a base URL: write it like https://news.example.com"));
    }
    Ok(Some(text.trim_end_matches('/').to_owned()))
}

/// An instant, as TOML's own date-time or as a string.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = match toml::Value::deserialize(deserializer)? {
        toml::Value::Datetime(datetime) => datetime.to_string(),
        toml::Value::String(text) => text,
        _ => String::new(),
    };
    let instant = DateTime::parse_from_rfc3339(&text).map_err(|_| {
        serde::de::Error::custom("not an instant: write it like 2026-11-22T10:00:00Z, with its offset")
    })?;
    Ok(Some(instant.to_utc()))
}
