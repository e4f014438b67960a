//! SMS over SMPP 3.4: sessions with a message centre that are kept up, submits with a bounded window, receipts and
//! customers' messages.
//!
//! [`Smpp::run`] keeps the sessions; [`Smpp::send`] uses them. A message goes out at most once for each call: what is
//! tried again within a call is only what has certainly not been accepted. Called by `delivery` (sending), by `app`
//! (running) and by the commands that check the environment.

mod address;
mod alphabet;
mod board;
mod config;
mod connect;
mod desk;
mod inbox;
mod link;
mod pdu;
mod receipt;
mod segment;
mod session;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::board::Board;
pub use self::config::{Bind, ReceiptIds, SmppConfig, Tls};
use self::connect::{Dialer, Role};
use self::desk::Unanswered;
use self::inbox::Inbox;
use self::pdu::Submit;
use self::receipt::Dialect;
use self::segment::parts;
use self::session::Limits;
use super::{IncomingSink, Sms};
use crate::channels::Answer;
use crate::clock::Clock;

/// How long sends under way, and then the goodbyes, may take when the channel is closed.
const TIDY: Duration = Duration::from_secs(5);
/// The first pause before a later part of a message is tried again; it doubles up to the second.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest validity that we ask for; providers refuse longer ones, or cut them to a few days themselves.
const LONGEST_VALIDITY: Duration = Duration::from_secs(7 * 86_400);

/// A message centre reached by SMPP. Clones share its sessions.
#[derive(Clone)]
pub struct Smpp(Arc<Inner>);

struct Inner {
    config: SmppConfig,
    clock: Clock,
    dialer: Dialer,
    dialect: Dialect,
    inbox: Inbox,
    limits: Limits,
    board: Board,
    /// Sends under way.
    sends: TaskTracker,
    /// Cancelled when the sessions are to unbind.
    stop: CancellationToken,
}

impl fmt::Debug for Smpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Smpp")
    }
}

impl Smpp {
    /// Reads certificates and checks that the configuration holds together; does not connect. The error is in words.
    pub fn new(config: &SmppConfig, sink: IncomingSink, clock: Clock) -> Result<Self, String> {
        if config.connections == 0 || config.connections > 100 {
            return Err("connections must be 1 to 100".to_owned());
        }
        if config.window == 0 || config.window > 10_000 {
            return Err("window must be 1 to 10000".to_owned());
        }
        let dialect = Dialect::new(config);
        let dialer = Dialer::new(config)?;
        let limits = Limits {
            answer: dialer.limit(),
            silence: Duration::from_secs(config.enquire_link_s.max(1)),
            window: config.window,
        };
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            dialect: dialect.clone(),
            inbox: Inbox::new(sink, dialect, clock.clone()),
            clock,
            dialer,
            limits,
            board: Board::new(config.connections),
            sends: TaskTracker::new(),
            stop: CancellationToken::new(),
        })))
    }

    /// Keeps the sessions up, so that receipts and STOP come in also when nothing is sent, until [`Smpp::close`].
    /// To be run once for all clones. Dropping it hangs up without a goodbye.
    pub async fn run(&self) {
        let inner = &self.0;
        // There are none yet, which is to be seen where none will ever be.
        metrics::gauge!("declic_smpp_sessions").increment(0.0);
        let links = (0..inner.config.connections).flat_map(|place| match inner.config.bind {
            Bind::Transceiver => vec![inner.keep(Role::Both, place)],
            Bind::Separate => vec![inner.keep(Role::Sends, place), inner.keep(Role::Receives, place)],
        });
        join_all(links).await;
    }

    /// Hands over one SMS, part by part, within the send deadline.
    ///
    /// Not connected, or told to slow down, at the first part: [`Answer::Busy`] at once, for whoever paces. A later
    /// part is tried again until the deadline, because half a message is with the provider; if that fails, whatever
    /// the reason, it is [`Answer::Uncertain`]: the reader may get the half, and must not get it twice. The first part
    /// is not begun once the message should have left.
    pub async fn send(&self, sms: &Sms) -> Answer {
        let deadline = Duration::from_secs(self.0.config.send_deadline_s.max(1));
        let until = Instant::now() + deadline;
        let first_until = Instant::now() + deadline.min(self.0.clock.real_time_until(sms.leave_by));
        let submits = match self.0.submits(sms) {
            Ok(submits) => submits,
            Err(answer) => return answer,
        };
        let _under_way = self.0.sends.token();
        if self.0.sends.is_closed() {
            return Answer::Busy { reply: "the channel is closed".to_owned() };
        }
        let mut ids = Vec::with_capacity(submits.len());
        for (done, body) in submits.iter().enumerate() {
            let begin_until = if done > 0 { until } else { first_until };
            match self.0.hand_over(body, done > 0, begin_until, until).await {
                Ok(id) => ids.push(id),
                Err(answer) if done == 0 => return answer,
                Err(mut answer) => {
                    let (part, count, why) = (done + 1, submits.len(), answer.words_mut());
                    let detail =
                        format!("part {part} of {count} was not accepted, those before it were: {why}");
                    return Answer::Uncertain { detail };
                }
            }
        }
        ids.retain(|id| !id.is_empty());
        Answer::Accepted { reply: format!("accepted as {}", ids.join(", ")), ids }
    }

    /// Where a session is bound, says so; else binds and unbinds on a connection of its own.
    pub async fn check(&self) -> Result<String, String> {
        if self.0.board.bound() > 0 {
            return Ok(format!("{}: bound as {}", self.0.dialer, self.0.config.system_id));
        }
        let role = match self.0.config.bind {
            Bind::Transceiver => Role::Both,
            Bind::Separate => Role::Sends,
        };
        self.0.dialer.check(role).await.map_err(|failure| failure.words().to_owned())
    }

    /// Lets sends under way end (up to five seconds), then unbinds; [`Smpp::run`] ends. Later sends are `Busy`.
    pub async fn close(&self) {
        self.0.sends.close();
        let _ = timeout(TIDY, self.0.sends.wait()).await;
        self.0.stop.cancel();
        // Twice: what came in is kept first. Where `run` does not run there is nobody to wait for.
        if self.0.board.bound() > 0 {
            let _ = timeout(TIDY * 2, self.0.board.all_closed()).await;
        }
    }
}

impl Inner {
    /// The bodies of all submits of a message.
    fn submits(&self, sms: &Sms) -> Result<Vec<Vec<u8>>, Answer> {
        let invalid = |detail: String| Answer::Invalid { detail, bad_address: false };
        let source = address::source(sms.from.as_deref(), &self.config).map_err(invalid)?;
        let dest = address::dest(&sms.to, &self.config)
            .map_err(|detail| Answer::Invalid { detail, bad_address: true })?;
        let Some(validity_period) = validity(&self.clock, sms.expires_at) else {
            return Err(Answer::Retry { reply: "expired before it could be handed over".to_owned() });
        };
        let parts = parts(&sms.message_id, &sms.text, sms.encoding).ok_or_else(|| {
            invalid("the text has letters that its alphabet has not, or more than 255 parts".to_owned())
        })?;
        let submit = |part: segment::Part| Submit {
            source: source.clone(),
            dest: dest.clone(),
            esm_class: part.esm_class,
            validity_period: validity_period.clone(),
            registered_delivery: self.config.registered_delivery,
            data_coding: part.data_coding,
            short_message: part.octets,
        };
        Ok(parts.into_iter().map(|part| submit(part).body()).collect())
    }

    /// One part; gives its id as receipts will write it. `insist`: parts before it have been accepted.
    async fn hand_over(
        &self,
        body: &[u8],
        insist: bool,
        begin_until: Instant,
        until: Instant,
    ) -> Result<String, Answer> {
        let mut pause = PAUSE;
        loop {
            let patience = begin_until.min(Instant::now() + self.dialer.limit());
            let (answer, lost) = match self.board.session(patience).await {
                Err(failure) => (failure.answer(), false),
                Ok(session) => match session.submit(body, until).await {
                    Ok(frame) if frame.status == status::OK => {
                        return Ok(self.dialect.submitted(&frame.message_id()));
                    }
                    Ok(frame) => (status::refusal(frame.status), false),
                    Err(Unanswered::Unknown(detail)) => {
                        metrics::counter!("declic_smpp_submits_total", "status" => "unanswered").increment(1);
                        return Err(Answer::Uncertain { detail });
                    }
                    Err(Unanswered::Unsent(reply)) => (Answer::Busy { reply }, true),
                },
            };
            let passing = matches!(answer, Answer::Busy { .. } | Answer::Retry { .. });
            // A session that went away before anything was written may have a successor in a moment.
            if !(lost || insist && passing) || Instant::now() + pause >= begin_until {
                return Err(answer);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// How long the provider may try, in the relative form of SMPP 3.4, 7.1.1, which does not depend on its clock or zone.
/// None: not at all.
fn validity(clock: &Clock, expires_at: DateTime<Utc>) -> Option<String> {
    let left = clock.real_time_until(expires_at).min(LONGEST_VALIDITY).as_secs();
    let (days, hours, minutes, seconds) = (left / 86_400, left / 3600 % 24, left / 60 % 60, left % 60);
    (left > 0).then(|| format!("0000{days:02}{hours:02}{minutes:02}{seconds:02}000R"))
}
