//! The composition root: builds the parts from the configuration, starts them, and stops them in order.

pub mod bounces;
mod figures;
mod pages;
pub mod register;
mod sink;
mod systemd;
mod watch;
mod ways;

pub use pages::sms_hooks;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{mpsc, watch as latest};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::active::Shelf;
use crate::broker::AmqpConfig;
use crate::channels::Capture;
use crate::channels::sms::IncomingSink;
use crate::channels::sms::http::Webhooks;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::console::{self, Console};
use crate::delivery::outcomes::Outcomes;
use crate::delivery::pauses::Pauses;
use crate::delivery::reclaim;
use crate::domain::token::Keys;
use crate::incoming;
use crate::intake::{self, Sink};
use crate::ops;
use crate::ops::health::AskHealth;
use crate::ops::public::limit::Limit;
use crate::process::Processor;
use crate::publish::{self, PublishError};
use crate::retention::Keeper;
use crate::scheduler::Scheduler;
use crate::secret::Secret;
use crate::store::{Counts, Store};
use crate::supervise::Pulse;
use crate::{entropy, telemetry};

/// Captured mails kept in memory in embedded mode.
const CAPTURED: usize = 10_000;

/// How long saying goodbye to providers and the database may take, once all work has ended; with the default of
/// `shutdown_deadline_s` it stays below the 30 s that container platforms wait before they kill.
const FAREWELL: Duration = Duration::from_secs(4);

/// What is said of a database that is not where it was.
pub const ELSEWHERE: &str = "this database is not where workers have known it: it is a copy. If it was restored from a \
     back-up, it has forgotten what was sent since: run `declic restored --taken-at INSTANT` first (docs/backup.md). If it \
     was moved after the last worker had stopped, run `declic restored --nothing-lost`. If it is a copy to try things \
     with, do not start a worker on it: it would write to your customers";

/// The worker's parts, built and not yet running.
pub struct App {
    pub store: Store,
    pub shelf: Shelf,
    pub clock: Clock,
    pub processor: Processor,
    pub capture: Option<Capture>,
    pub sink: Sink,
    config: Config,
    ways: Vec<ways::Way>,
    pauses: Pauses,
    webhooks: Option<Webhooks>,
    /// Where providers' receipts and customers' texts go.
    incoming: IncomingSink,
    bounces: bounces::Bounces,
    amqp: Option<AmqpConfig>,
    source: publish::Source,
    keys: Keys,
    /// What opens the console.
    console_token: Option<Secret>,
    /// What waits, as it was last seen.
    looked: latest::Sender<Option<Counts>>,
}

/// What is asked of the start beside the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where rules are read and published from; none follows what others publish.
    pub rules: Option<PathBuf>,
}

impl App {
    /// Connects to the database, brings its tables up to date in embedded mode, reads the rules.
    pub async fn build(config: Config, options: Options) -> anyhow::Result<Self> {
        // Mistakes in the configuration first, before anything is touched.
        let sections = ways::Sections::read(&config)?;
        config.check_admin()?;
        let amqp: Option<AmqpConfig> = config.section("amqp")?;
        // Beside the rest: reading all countries' numbering plans takes a tenth of a second.
        tokio::task::spawn_blocking(crate::domain::phone::warm);
        let clock = config.clock();
        let store = open_store(&config, clock.clone()).await?;
        anyhow::ensure!(store.is_in_its_place().await?, ELSEWHERE);
        let keys = keys(&config, &store).await?;
        let secret = keys.first().to_vec();
        let source = publish::Source {
            store: store.clone(),
            clock: clock.clone(),
            secret: secret.clone(),
            folder: options.rules,
        };
        let shelf = Shelf::new(source.first().await?);
        let processor = Processor::new(store.clone(), shelf.clone(), clock.clone());
        // What has no provider is captured; all that is captured is shown together.
        let capture = Capture::new(CAPTURED, clock.clone());
        let base_url = config.public.base_url();
        let incoming = incoming::sink(store.clone(), shelf.clone(), clock.clone(), processor.clone());
        let email = ways::Way::email(sections.smtp.as_ref(), &secret, &capture);
        let sms = match (&sections.sms, &sections.smpp) {
            (Some(http), _) => ways::Way::http(http, &base_url, incoming.clone())
                .map_err(|words| config.invalid("sms", words))?,
            (None, Some(smpp)) => ways::Way::smpp(smpp, incoming.clone(), clock.clone())
                .map_err(|words| config.invalid("smpp", words))?,
            (None, None) => ways::Way::captured_sms(&capture),
        };
        let ways = vec![email.map_err(|words| config.invalid("smtp", words))?, sms];
        for way in ways.iter().filter(|way| way.is_captured() && !config.uses_sqlite()) {
            telemetry::nothing_is_sent(way.outlet.channel());
        }
        let capture = ways.iter().any(ways::Way::is_captured).then_some(capture);
        let webhooks = match &sections.sms {
            Some(sms) => {
                Webhooks::new(sms, &base_url).map_err(|words| config.invalid("sms.webhook", words))?
            }
            None => None,
        };
        let bounces = bounces::Bounces {
            store: store.clone(),
            shelf: shelf.clone(),
            clock: clock.clone(),
            processor: processor.clone(),
            config: sections.bounces,
            address: sections.bounce_address,
            keys: keys.clone(),
        };
        let sink = sink::sink(&processor, &store);
        let console_token = match &config.admin.token {
            Some(token) => Some(token.clone()),
            // In embedded mode whoever starts the worker reads the link to the console, and nobody else does.
            None if config.uses_sqlite() => Some(Secret::new(entropy::token::<32>()?)),
            None => None,
        };
        Ok(Self {
            store,
            shelf,
            clock,
            processor,
            capture,
            webhooks,
            incoming,
            bounces,
            sink,
            config,
            ways,
            pauses: Pauses::watched(),
            amqp,
            source,
            keys,
            console_token,
            looked: latest::Sender::default(),
        })
    }

    /// The link that opens the console where it needs no token of the configuration, else where it is.
    pub fn console_link(&self) -> String {
        let at = self.config.admin.listen;
        match (&self.config.admin.token, &self.console_token) {
            (None, Some(made)) => format!("http://{at}/?token={}", made.expose()),
            _ => format!("http://{at}/"),
        }
    }

    /// The settings that matter to those who watch.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Runs everything until `shutdown`, then stops in order: intake first, so that nothing new begins, the rest
    /// after what they hold is finished. An unexpected end of a part is an error: half a worker is none.
    pub async fn run(
        self,
        metrics: PrometheusHandle,
        reload: mpsc::Receiver<()>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut parts: JoinSet<anyhow::Result<&'static str>> = JoinSet::new();
        let pulses = Pulses::new(&self.clock);
        let status = intake::Status::default();
        let pages = self.start_pages(&mut parts, metrics.clone(), &pulses, &status, &shutdown).await?;
        if let Some(amqp) = &self.amqp {
            let intake = intake::amqp::run(
                amqp.clone(),
                self.clock.clone(),
                self.sink.clone(),
                shutdown.clone(),
                status.clone(),
            );
            parts.spawn(async move {
                intake.await?;
                Ok("intake")
            });
        }
        self.start_inner_parts(&mut parts, &pulses, reload, &shutdown);
        let figures = figures::Figures {
            store: self.store.clone(),
            clock: self.clock.clone(),
            pauses: self.pauses.clone(),
            broker: self.amqp.is_some().then(|| status.clone()),
        };
        parts.spawn(named("figures", figures.run(shutdown.clone())));
        parts.spawn(named("gauges", self.watch().run(metrics, shutdown.clone())));
        parts.spawn(named("signs of life", systemd::signs_of_life(shutdown.clone())));
        tracing::info!("{pages}; ready");
        systemd::ready(&pages);
        let ended = tokio::select! {
            // Asked first: a part that has ended because it was told to has not ended by itself.
            biased;
            () = shutdown.cancelled() => None,
            ended = parts.join_next() => Some(ended),
        };
        shutdown.cancel();
        systemd::stopping();
        let deadline = Duration::from_secs(self.config.worker.shutdown_deadline_s);
        let rest = async { while parts.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, rest).await.is_err() {
            tracing::warn!(
                "some work did not end within {} s; its leases will be taken over",
                deadline.as_secs()
            );
            parts.shutdown().await;
        }
        let close = async {
            for way in &self.ways {
                way.outlet.close().await;
            }
            // What the last batch of events gave to senders who were gone.
            self.give_back().await;
            // What was counted until now. A database that is away has been said to be.
            let _ = figures::write(&self.store).await;
            self.store.close().await;
        };
        // A server that does not answer any more does not answer to a goodbye either.
        if tokio::time::timeout(FAREWELL, close).await.is_err() {
            tracing::warn!("a connection did not close within {} s", FAREWELL.as_secs());
        }
        match ended {
            None => Ok(()),
            Some(Some(Ok(Err(error)))) => Err(error),
            Some(Some(Ok(Ok(part)))) => anyhow::bail!("the {part} ended by itself"),
            Some(Some(Err(panic))) => anyhow::bail!("a part of the worker crashed: {panic}"),
            Some(None) => anyhow::bail!("nothing was left running"),
        }
    }

    fn watch(&self) -> watch::Watch {
        watch::Watch {
            store: self.store.clone(),
            clock: self.clock.clone(),
            brake: self.sink.brake.clone(),
            outbox_limit: self.config.worker.outbox_limit,
            looked: self.looked.clone(),
        }
    }

    fn start_inner_parts(
        &self,
        parts: &mut JoinSet<anyhow::Result<&'static str>>,
        pulses: &Pulses,
        reload: mpsc::Receiver<()>,
        shutdown: &CancellationToken,
    ) {
        let scheduler = Scheduler {
            store: self.store.clone(),
            shelf: self.shelf.clone(),
            clock: self.clock.clone(),
            processor: self.processor.clone(),
        };
        parts.spawn(named("scheduler", scheduler.run(pulses.scheduler.clone(), shutdown.clone())));
        let publisher = self.amqp.clone().map(crate::channels::outcomes::OutcomePublisher::new);
        let outcomes = Outcomes::new(self.store.clone(), self.clock.clone(), publisher);
        parts.spawn(named("outcome publisher", outcomes.clone().run(shutdown.clone())));
        let follow = self.pauses.clone().follow(self.store.clone(), shutdown.clone());
        parts.spawn(named("pauses", follow));
        for way in &self.ways {
            if let Some(smpp) = way.sessions() {
                // Ends when the way is closed, after the dispatchers: until then what is under way needs the sessions.
                tokio::spawn(async move { smpp.run().await });
            }
            for dispatcher in self.dispatchers(way, &outcomes) {
                let run = dispatcher.run(pulses.dispatcher.clone(), shutdown.clone());
                parts.spawn(named("dispatcher", run));
            }
        }
        let reclaim =
            reclaim::run(self.store.clone(), self.shelf.clone(), self.clock.clone(), shutdown.clone());
        parts.spawn(named("reclaimer", reclaim));
        let receipts = incoming::receipts::run(self.store.clone(), self.clock.clone(), shutdown.clone());
        parts.spawn(named("receipts", receipts));
        let keeper = Keeper {
            store: self.store.clone(),
            shelf: self.shelf.clone(),
            clock: self.clock.clone(),
            bounces_count: self.bounces.config.kept(),
        };
        parts.spawn(named("retention", keeper.run(shutdown.clone())));
        parts.spawn(named("bounces", self.bounces.clone().run(shutdown.clone())));
        let numbers = incoming::numbers::run(self.store.clone(), self.shelf.clone(), shutdown.clone());
        parts.spawn(named("reading of numbers", numbers));
        let follow = self.source.clone().follow(self.shelf.clone(), reload, shutdown.clone());
        parts.spawn(named("rule watcher", follow));
    }

    fn console(&self, health: AskHealth, shutdown: &CancellationToken) -> Console {
        Console {
            store: self.store.clone(),
            shelf: self.shelf.clone(),
            clock: self.clock.clone(),
            processor: self.processor.clone(),
            providers: self.ways.iter().map(ways::Way::shown).collect(),
            health,
            looked: self.looked.subscribe(),
            capture: self.capture.clone().map(|capture| pages::mail(capture, self.clock.clone())),
            token: self.console_token.as_ref().map(|token| token.expose().as_bytes().into()),
            shutdown: shutdown.clone(),
        }
    }

    /// Opens the two listeners; the words say where they are.
    async fn start_pages(
        &self,
        parts: &mut JoinSet<anyhow::Result<&'static str>>,
        metrics: PrometheusHandle,
        pulses: &Pulses,
        status: &intake::Status,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<String> {
        let (admin_at, public_at) = (self.config.admin.listen, self.config.public.listen);
        let broker = self.amqp.is_some().then(|| status.clone());
        let events = intake::http::router(self.sink.clone(), self.clock.clone());
        let health = pages::health(
            self.store.clone(),
            pulses.clone(),
            broker,
            ways::states(&self.ways),
            self.pauses.clone(),
        );
        let admin = ops::admin::router(ops::admin::Admin {
            metrics,
            health: health.clone(),
            bound: admin_at.ip(),
            token: self.config.admin.token.as_ref().map(|token| token.expose().as_bytes().into()),
            name: None,
            also: events,
            console: console::router(self.console(health, shutdown)),
        });
        let mut public = ops::public::router(pages::public(
            self.keys.clone(),
            Limit::new(self.config.public.views_per_minute),
            self.store.clone(),
            self.shelf.clone(),
            self.processor.clone(),
            self.clock.clone(),
        ));
        if let Some(webhooks) = &self.webhooks {
            let receive = pages::sms_hooks(webhooks.clone(), self.incoming.clone(), self.clock.clone());
            public = public.merge(ops::hooks::sms(receive));
        }
        if let Some(webhook) = &self.bounces.config.webhook {
            let webhook = bounces::Webhook::new(webhook).map_err(anyhow::Error::msg)?;
            public = public.merge(ops::hooks::email(pages::email_hooks(webhook, self.bounces.clone())));
        }
        for (name, address, router) in [("console", admin_at, admin), ("public pages", public_at, public)] {
            let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
                format!("cannot listen on {address} for the {name}: is another declic running? Choose another address in the configuration")
            })?;
            let stop = shutdown.clone();
            parts.spawn(async move {
                let served = axum::serve(
                    listener,
                    router.into_make_service_with_connect_info::<std::net::SocketAddr>(),
                )
                .with_graceful_shutdown(async move { stop.cancelled().await });
                served.await.with_context(|| format!("the {name} stopped"))?;
                Ok(name)
            });
        }
        Ok(format!("console on {}, public pages on http://{public_at}", self.console_link()))
    }
}

/// The setting that keeps the secret which embedded mode makes.
const SECRET: &str = "secret";

/// Opens the database of the configuration. In embedded mode its tables are brought up to date.
///
/// # Errors
/// Also where customers' profiles are encrypted with a secret that is not configured: one after the other would be set aside.
pub async fn open_store(config: &Config, clock: Clock) -> anyhow::Result<Store> {
    let store = open_to_maintain(config, clock).await?;
    if let Some(words) = store.encrypted_with_unknown_secret().await? {
        anyhow::bail!(words);
    }
    store.note_encryption().await?;
    Ok(store)
}

/// The same, whether or not its profiles can be read.
pub async fn open_to_maintain(config: &Config, clock: Clock) -> anyhow::Result<Store> {
    let store = Store::open(config.database_url(), config.database.max_connections).await?.with_clock(clock);
    if config.uses_sqlite() {
        store.migrate().await?;
    }
    store.check_schema().await?;
    if config.secret.is_none() && !config.uses_sqlite() {
        // Whoever needs it says so; what only reads does not.
        return Ok(store);
    }
    let keys = keys(config, &store).await?;
    Ok(store.with_secrets(keys.iter()).encrypting_profiles(config.database.encrypt_profiles))
}

/// The secret that links and promo codes are derived from: given, or in embedded mode made once and kept.
pub async fn secret(config: &Config, store: &Store) -> anyhow::Result<Vec<u8>> {
    if let Some(secret) = &config.secret {
        return Ok(secret.expose().as_bytes().to_vec());
    }
    anyhow::ensure!(
        config.uses_sqlite(),
        "DECLIC_SECRET is not set: it seals unsubscribe links and promo codes and must stay the same for years; \
         make one with `openssl rand -base64 32`"
    );
    Ok(store.put_setting_if_absent(SECRET, &entropy::token::<32>()?).await?.into_bytes())
}

/// The secret, and what came before it: as the configuration says, and the one that embedded mode made until one was given.
pub async fn keys(config: &Config, store: &Store) -> anyhow::Result<Keys> {
    let secret = secret(config, store).await?;
    let made = if config.uses_sqlite() { store.setting(SECRET).await? } else { None };
    let previous = config.previous_secrets.iter().map(|secret| secret.expose().as_bytes().to_vec());
    let previous = previous.chain(made.map(String::into_bytes)).filter(|previous| *previous != secret);
    Ok(Keys::new(&secret, previous))
}

async fn named(name: &'static str, part: impl Future<Output = ()>) -> anyhow::Result<&'static str> {
    part.await;
    Ok(name)
}

/// Signs of life of the parts that loop.
#[derive(Debug, Clone)]
struct Pulses {
    scheduler: Pulse,
    dispatcher: Pulse,
}

impl Pulses {
    fn new(clock: &Clock) -> Self {
        Self { scheduler: Pulse::new(clock.clone()), dispatcher: Pulse::new(clock.clone()) }
    }
}

/// Whether a failure to start is about what was given (configuration, rules) rather than about the surroundings.
pub fn is_refusal(error: &anyhow::Error) -> bool {
    let rules = matches!(
        error.downcast_ref::<PublishError>(),
        Some(PublishError::Refused { .. } | PublishError::Files(_) | PublishError::NothingPublished)
    );
    rules || error.is::<ConfigError>()
}

/// Waits until everything that is due has been done, or until `shutdown`.
pub async fn drained(store: &Store, clock: &Clock, shutdown: &CancellationToken) {
    loop {
        let now = clock.now();
        if let Ok(counts) = store.counts(now).await
            && counts.oldest_due_entry.is_none()
            && counts.oldest_due_message.is_none()
            && counts.in_hand() == 0
        {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
