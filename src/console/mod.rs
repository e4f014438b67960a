//! The console: what an operator sees of the worker in a browser, and does with it.
//!
//! Pages are rendered here from what the database holds and what the worker knows of itself; whatever is done goes through
//! `operate`, with its line in the audit log. Each page works without its script, which only keeps it up to date. Nothing
//! is loaded from another host, and nothing is shown to whoever has not brought the token (`session`).

mod act;
mod attention;
mod audit;
mod customers;
mod dead_letters;
mod entrance;
mod frame;
mod hour;
mod live;
pub mod mail;
mod messages;
mod overview;
mod plot;
mod providers;
mod rendered;
mod rules;
mod session;
mod stretches;
mod sums;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::active::Shelf;
use crate::clock::Clock;
use crate::delivery::flow::Flow;
use crate::domain::pause::Pauses;
use crate::operate;
use crate::ops::health::AskHealth;
use crate::process::Processor;
use crate::store::{Counts, Store, StoreError};
use frame::Visit;
use mail::MailSource;
use session::Sessions;

/// What the pages are made from.
#[derive(Clone)]
pub struct Console {
    pub store: Store,
    pub shelf: Shelf,
    pub clock: Clock,
    pub processor: Processor,
    /// The flows to the providers, and the limits that they keep.
    pub providers: Vec<(Flow, Limits)>,
    pub health: AskHealth,
    /// What waits, as the worker saw it last: each look is also what open pages are told of.
    pub looked: watch::Receiver<Option<Counts>>,
    /// The captured mail, where messages are captured.
    pub capture: Option<MailSource>,
    /// What opens the console; without one it only says that there is none.
    pub token: Option<Arc<[u8]>>,
    /// Ends the streams that open pages hold, so that the worker can stop.
    pub shutdown: CancellationToken,
}

/// What is kept of a provider's limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nothing leaves this machine.
    pub captured: bool,
    /// Messages a second at most.
    pub max_rate: Option<f64>,
    /// Hand-overs under way at once.
    pub at_once: usize,
}

/// The console's routes, with their own guard.
pub fn router(console: Console) -> Router {
    let capture = console.capture.clone().map(mail::router).unwrap_or_default();
    let inside = Router::new()
        .route("/", get(overview::show))
        .route("/when", get(hour::show))
        .route("/rules", get(rules::list))
        .route("/rules/{name}", get(rules::show))
        .route("/messages", get(messages::list))
        .route("/messages/{id}", get(messages::show))
        .route("/messages/{id}/html", get(messages::html_part))
        .route("/customers", get(customers::find))
        .route("/customers/{id}", get(customers::show))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/{id}", get(dead_letters::show))
        .route("/providers", get(providers::show))
        .route("/audit", get(audit::list))
        .route("/live", get(live::looks))
        .route("/act", post(act::act))
        .route("/leave", post(entrance::leave))
        .fallback(frame::nowhere)
        .with_state(console.clone())
        .merge(capture)
        .layer(middleware::from_fn_with_state(console.clone(), known));
    let outside = Router::new()
        .route("/enter", get(entrance::ask).post(entrance::enter))
        .route("/language", get(entrance::language))
        .route("/console.js", get(frame::script))
        .with_state(console);
    inside.merge(outside)
}

/// Lets through who is in; shows others the way.
async fn known(State(console): State<Console>, mut request: Request, next: Next) -> Response {
    let visitor = console.sessions().and_then(|sessions| sessions.who(request.headers(), Clock::Real.wall()));
    let Some(operator) = visitor else { return entrance::turn_away(&console, &request) };
    let visit = Visit::of(&console, &request, operator);
    request.extensions_mut().insert(visit);
    next.run(request).await
}

impl Console {
    fn sessions(&self) -> Option<Sessions> {
        self.token.clone().map(Sessions::new)
    }

    fn operator(&self, visit: &Visit) -> operate::Operator {
        operate::Operator { store: self.store.clone(), name: visit.operator.name.clone() }
    }

    /// What is paused, as it is committed: what the worker knows may be a moment older.
    async fn pauses(&self) -> Result<Pauses, StoreError> {
        Ok(self.store.pauses().await?.into_iter().collect())
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// A page that cannot be made because the database does not answer.
#[derive(Debug)]
pub(crate) struct Away(StoreError);

impl From<StoreError> for Away {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Away {
    fn into_response(self) -> Response {
        tracing::warn!(error = %self.0, "the console cannot read the database");
        let words = format!("The database does not answer / La base de données ne répond pas : {}\n", self.0);
        (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
    }
}

type Shown = Result<Response, Away>;
