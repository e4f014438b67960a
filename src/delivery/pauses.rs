//! What operators have paused, as this worker knows it: read four times a second, asked before each hand-over.
//!
//! Whoever has not been able to read it for a second hands nothing over, so a pause holds everywhere a second after it is
//! committed, whatever becomes of workers' connections. What was being handed over in that moment goes out.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::consent::Channel;
use crate::domain::message::Message;
use crate::domain::pause;
use crate::store::{Store, StoreError};
use crate::telemetry;

/// How often to look, in real time.
const EVERY: Duration = Duration::from_millis(250);

/// How long what was read is acted upon.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Shared by all that ask. The default is for where nobody pauses anything, and nobody looks.
#[derive(Debug, Clone, Default)]
pub struct Pauses(Arc<RwLock<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    pauses: Arc<pause::Pauses>,
    /// Until when it may be acted upon; none where nobody looks.
    until: Option<Instant>,
}

impl Seen {
    /// Whether it is not known any more what is paused.
    fn is_stale(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    fn stops_channel(&self, channel: Channel) -> bool {
        self.is_stale() || self.pauses.stops_channel(channel)
    }
}

impl Pauses {
    /// Nothing is handed over before [`Pauses::follow`] has looked.
    pub fn watched() -> Self {
        Self(Arc::new(RwLock::new(Seen { until: Some(Instant::now()), ..Seen::default() })))
    }

    /// What was read last.
    pub fn known(&self) -> Arc<pause::Pauses> {
        self.seen().pauses.clone()
    }

    /// Whether nothing may be handed over on this channel.
    pub fn stop_channel(&self, channel: Channel) -> bool {
        self.seen().stops_channel(channel)
    }

    /// Whether this message may not be handed over.
    pub fn stop(&self, message: &Message) -> bool {
        let seen = self.seen();
        seen.stops_channel(message.channel) || seen.pauses.stops_rule(&message.rule)
    }

    /// Whether the database has told lately what is paused.
    pub fn are_known(&self) -> bool {
        !self.seen().is_stale()
    }

    /// Whether it is known what is paused, and what is, in words.
    pub fn describe(&self) -> (bool, String) {
        let seen = self.seen();
        if seen.is_stale() {
            return (false, "it cannot be read what is paused, so nothing is handed over".to_owned());
        }
        let paused = Vec::from_iter(seen.pauses.targets());
        match paused.is_empty() {
            true => (true, "nothing is paused".to_owned()),
            false => (true, format!("paused: {}", paused.join(", "))),
        }
    }

    /// Looks until told to stop, and lets go what is resumed.
    pub async fn follow(self, store: Store, shutdown: CancellationToken) {
        loop {
            let more = match self.look(&store).await {
                Ok(more) => more,
                Err(error) => {
                    telemetry::waiting_for("database", &error.to_string());
                    false
                }
            };
            tokio::select! {
                () = tokio::time::sleep(EVERY), if !more => {}
                () = tokio::task::yield_now(), if more => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Reads what is paused and lets some of what is resumed go; whether there may be more of that.
    async fn look(&self, store: &Store) -> Result<bool, StoreError> {
        // What is read is as old as the question.
        let asked = Instant::now();
        let pauses: pause::Pauses = store.pauses().await?.into_iter().collect();
        let before = self.known();
        if *before != pauses {
            telemetry::paused(&before, &pauses);
        }
        let to_let_go: Vec<String> = pauses.to_let_go().map(str::to_owned).collect();
        self.learn(pauses, asked);
        let mut more = false;
        for rule in to_let_go {
            more |= store.let_go(&rule).await? > 0;
        }
        Ok(more)
    }

    fn seen(&self) -> RwLockReadGuard<'_, Seen> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, pauses: pause::Pauses, asked: Instant) {
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { pauses: Arc::new(pauses), until: Some(asked + GOOD_FOR) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pause::{Pause, Target};

    #[test]
    fn what_was_not_read_for_a_second_stops_everything() {
        let nobody_looks = Pauses::default();
        assert!(!nobody_looks.stop_channel(Channel::Email));
        let pauses = Pauses::watched();
        assert!(pauses.stop_channel(Channel::Email), "nothing was read yet");
        pauses.learn(pause::Pauses::default(), Instant::now());
        assert!(!pauses.stop_channel(Channel::Email));
        pauses.learn(pause::Pauses::default(), Instant::now() - GOOD_FOR);
        assert!(pauses.stop_channel(Channel::Email), "it is too old");
        let sms = Pause {
            target: Target::Channel(Channel::Sms),
            since: chrono::DateTime::UNIX_EPOCH,
            by: "eve".to_owned(),
            why: None,
            resumed_at: None,
            holding: true,
        };
        pauses.learn([sms].into_iter().collect(), Instant::now());
        assert!(pauses.stop_channel(Channel::Sms) && !pauses.stop_channel(Channel::Email));
        assert_eq!(pauses.describe(), (true, "paused: channel:sms".to_owned()));
    }
}
