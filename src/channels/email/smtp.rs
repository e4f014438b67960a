//! Deliveries over SMTP: one mail, one recipient, one transaction, within one deadline.
//!
//! Knows at every moment whether the server may have accepted the mail. Tries a mail a second time only
//! when the connection it began on turns out to have been closed while idle; every other retry is for the
//! caller to decide.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::Address;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Email;
use super::address::{masked, parse};
use super::config::SmtpConfig;
use super::connection::{Connection, Dialer};
use super::dkim::Signer;
use super::message::build;
use super::outcome::{Failure, Step};
use super::pool::Pool;
use crate::channels::Answer;
use crate::clock::Deadline;
use crate::domain::bounce::verp::BounceAddress;
use crate::failpoint;

/// How long RSET, QUIT and deliveries under way may take while nobody waits for their result.
const TIDY: Duration = Duration::from_secs(5);
/// Characters of a reply that are kept; providers add whole paragraphs.
const LONGEST_REPLY: usize = 500;

/// A provider reached by SMTP. Clones share its connections.
#[derive(Clone)]
pub struct Smtp(Arc<Inner>);

struct Inner {
    dialer: Dialer,
    pool: Pool,
    signers: Vec<Signer>,
    envelope_from: Option<Address>,
    /// Where bounces come back to, and what keys their tags.
    returns: Option<(BounceAddress, Vec<u8>)>,
    deadline: Duration,
}

/// What goes to the server.
struct Parcel {
    from: Address,
    to: Address,
    bytes: Vec<u8>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Smtp")
    }
}

impl Smtp {
    /// Reads keys and certificates and checks that the configuration holds together; does not connect.
    /// The error is in words and names the file concerned.
    ///
    /// Mails sent this way have no return paths of their own: see [`Self::with_returns`].
    pub fn new(config: &SmtpConfig) -> Result<Self, String> {
        Self::built(config, None)
    }

    /// The same; with `bounce_address`, each mail has a return path of its own, keyed with the secret.
    pub fn with_returns(config: &SmtpConfig, secret: &[u8]) -> Result<Self, String> {
        Self::built(config, Some(secret))
    }

    fn built(config: &SmtpConfig, secret: Option<&[u8]>) -> Result<Self, String> {
        let envelope_from = match &config.envelope_from {
            Some(address) => {
                Some(parse(address).ok_or_else(|| format!("envelope_from `{address}` is not an address"))?)
            }
            None => None,
        };
        if config.envelope_from.is_some() && config.bounce_address.is_some() {
            return Err(
                "envelope_from and bounce_address are two answers to one question: take one out".to_owned()
            );
        }
        let returns = config.bounce_address.as_deref().map(BounceAddress::parse).transpose();
        let returns = returns.map_err(|words| format!("bounce_address: {words}"))?;
        let signers = config.dkim.iter().map(Signer::new).collect::<Result<_, _>>();
        Ok(Self(Arc::new(Inner {
            dialer: Dialer::new(config)?,
            pool: Pool::new(config),
            signers: signers.map_err(|error| error.to_string())?,
            envelope_from,
            returns: returns.zip(secret.map(<[u8]>::to_vec)),
            deadline: Duration::from_secs(config.send_deadline_s.max(1)),
        })))
    }

    /// Hands over one mail, within the send deadline.
    pub async fn send(&self, mail: &Email) -> Answer {
        let parcel = match self.parcel(mail) {
            Ok(parcel) => parcel,
            Err(answer) => return answer,
        };
        let (begun, dot) = (AtomicBool::new(false), AtomicBool::new(false));
        let until = Deadline::after(self.0.deadline);
        let outcome = match timeout(self.0.deadline, self.deliver(&parcel, until, &begun, &dot)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let step = match (begun.load(Ordering::SeqCst), dot.load(Ordering::SeqCst)) {
                    (_, true) => Step::Dot,
                    (true, false) => Step::Data,
                    (false, false) => Step::Connect,
                };
                Failure::Lost(format!("no answer within {:?}", self.0.deadline)).outcome(step)
            }
        };
        tidied(outcome, parcel.to.as_ref())
    }

    /// Connects and signs in on a connection of its own, and says how it went.
    pub async fn check(&self) -> Result<String, String> {
        match self.0.dialer.dial().await {
            Ok(connection) => {
                let words = self.0.dialer.describe(&connection);
                let _ = timeout(TIDY, connection.quit()).await;
                Ok(words)
            }
            Err(Failure::Reply { code, text }) => Err(format!("the server refused: {code} {text}")),
            Err(Failure::Lost(words) | Failure::Distrust(words) | Failure::Unsupported(words)) => Err(words),
        }
    }

    /// Lets deliveries under way end (up to five seconds), then says goodbye.
    pub async fn close(&self) {
        for connection in self.0.pool.close(TIDY).await {
            let _ = timeout(TIDY, connection.quit()).await;
        }
    }

    fn parcel(&self, mail: &Email) -> Result<Parcel, Answer> {
        let built = build(mail).map_err(|error| error.answer())?;
        let unsigned = |detail: &str| Answer::Invalid { detail: detail.to_owned(), bad_address: false };
        let mut signatures = String::new();
        for signer in &self.0.signers {
            signatures.push_str(&signer.sign(&built.bytes, mail.date).map_err(unsigned)?);
        }
        let mut bytes = built.bytes;
        bytes.splice(..0, signatures.into_bytes());
        let path = self
            .0
            .returns
            .as_ref()
            .and_then(|(address, secret)| parse(&address.of(&mail.message_id, secret)));
        let from = path.or_else(|| self.0.envelope_from.clone()).unwrap_or(built.from);
        Ok(Parcel { from, to: built.to, bytes })
    }

    /// `begun` turns true when the server has agreed to take a mail from us, `dot` before it may have accepted it.
    async fn deliver(
        &self,
        parcel: &Parcel,
        until: Deadline,
        begun: &AtomicBool,
        dot: &AtomicBool,
    ) -> Answer {
        let Some(permit) = self.0.pool.permit().await else {
            return Answer::Busy { reply: "the channel is closed".to_owned() };
        };
        let mut connection = match self.begin(parcel).await {
            Ok(connection) => connection,
            Err((step, failure)) => return failure.outcome(step),
        };
        begun.store(true, Ordering::SeqCst);
        match transmit(&mut connection, parcel, until, dot).await {
            Ok(reply) => {
                self.give_back(connection, permit, false);
                Answer::Accepted { reply, ids: Vec::new() }
            }
            Err((step, failure)) => {
                let usable = failure.leaves_connection_usable();
                let outcome = failure.outcome(step);
                if usable {
                    self.give_back(connection, permit, true);
                }
                outcome
            }
        }
    }

    /// A connection on which this mail has begun. One that was idle may be dead, or about to be closed by
    /// the server: then a new one takes its place, and no attempt is spent.
    async fn begin(&self, parcel: &Parcel) -> Result<Connection, (Step, Failure)> {
        let utf8 = parcel.needs_utf8();
        if let Some(mut kept) = self.0.pool.take() {
            match timeout(self.0.dialer.limit(), kept.mail(&parcel.from, &parcel.to, utf8)).await {
                Ok(Ok(())) => return Ok(kept),
                Ok(Err(failure)) if failure.leaves_connection_usable() => return Err((Step::Mail, failure)),
                _ => {}
            }
        }
        let mut fresh = self.0.dialer.dial().await.map_err(|failure| (Step::Connect, failure))?;
        fresh.mail(&parcel.from, &parcel.to, utf8).await.map_err(|failure| (Step::Mail, failure))?;
        Ok(fresh)
    }

    /// Makes a connection ready for the next mail, or ends it, without keeping the caller: the outcome is
    /// known, and a slow RSET must not turn it into a timeout.
    fn give_back(&self, mut connection: Connection, permit: OwnedSemaphorePermit, reset: bool) {
        if !reset {
            let Some(done) = self.0.pool.put(connection) else { return };
            connection = done;
        }
        let smtp = self.clone();
        tokio::spawn(async move {
            let tidy = async {
                if reset && connection.reset().await.is_err() {
                    return;
                }
                let spent = if reset { smtp.0.pool.put(connection) } else { Some(connection) };
                if let Some(spent) = spent {
                    spent.quit().await;
                }
            };
            let _ = timeout(TIDY, tidy).await;
            drop(permit);
        });
    }
}

impl Parcel {
    fn needs_utf8(&self) -> bool {
        !self.bytes.is_ascii() || !self.from.user().is_ascii() || !self.to.user().is_ascii()
    }
}

/// The rest of a mail that has begun. Its body goes out before `until` or not at all: whoever gave us the time may have
/// given the mail to another by then, and no timer has fired yet in a process that wakes with its answer waiting.
async fn transmit(
    connection: &mut Connection,
    parcel: &Parcel,
    until: Deadline,
    dot: &AtomicBool,
) -> Result<String, (Step, Failure)> {
    connection.rcpt(&parcel.to).await.map_err(|failure| (Step::Rcpt, failure))?;
    connection.data().await.map_err(|failure| (Step::Data, failure))?;
    failpoint::reach("smtp.data");
    if until.has_passed() {
        return Err((Step::Mail, Failure::Lost("its time was over before its body was sent".to_owned())));
    }
    connection.body(&parcel.bytes, dot).await.map_err(|failure| {
        let step = if dot.load(Ordering::SeqCst) { Step::Dot } else { Step::Data };
        (step, failure)
    })
}

/// Providers repeat the address in their replies, which are stored and logged: it is masked here, once.
fn tidied(mut outcome: Answer, to: &str) -> Answer {
    let words = outcome.words_mut();
    let lower = words.to_ascii_lowercase();
    let hidden = masked(to);
    let mut out = String::with_capacity(words.len());
    let mut end = 0;
    for (start, found) in lower.match_indices(&to.to_ascii_lowercase()) {
        out.push_str(&words[end..start]);
        out.push_str(&hidden);
        end = start + found.len();
    }
    out.push_str(&words[end..]);
    *words = out.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REPLY).collect();
    outcome
}
