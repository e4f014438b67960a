//! One bound session, from the bind to its end: submits and their answers, deliveries, signs of life, the goodbye.
//!
//! Everything that waits has a limit. Whatever ends the session, each submit under way learns whether it may have
//! been accepted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Mutex as Turn, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::connect::Line;
use super::desk::{Answered, Desk, Unanswered};
use super::inbox::Inbox;
use super::pdu::{Frame, command, unit};
use super::status;
use crate::clock::Deadline;

/// How long a goodbye may take, and what came in before it.
const TIDY: Duration = Duration::from_secs(5);
/// Deliveries that wait for the sink; more are sent back to the provider, which keeps them.
const DELIVERIES: usize = 1000;
/// Units that wait to be written, beside the window.
const QUEUE: usize = 256;
/// Octets that are written at once, at most about this many.
const CHUNK: usize = 32 * 1024;

/// How long a session waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the provider to take what we write, and to answer whether it is there.
    pub answer: Duration,
    /// Silence, until it is asked.
    pub silence: Duration,
    /// Submits that wait for their answer.
    pub window: usize,
}

/// The session as those see it who submit.
pub struct Session {
    desk: Desk,
    window: Semaphore,
    queue: mpsc::Sender<Out>,
    limits: Limits,
    heard: Mutex<Instant>,
    /// Whether anything was answered or delivered on it.
    useful: AtomicBool,
}

/// A unit to write.
pub enum Out {
    Submit(u32, Vec<u8>),
    Other(Vec<u8>),
    /// After which the session is over.
    Last(Vec<u8>),
}

impl Session {
    /// A session, and the units that it wants written, for [`Session::run`].
    pub fn new(limits: Limits) -> (Self, mpsc::Receiver<Out>) {
        let (queue, units) = mpsc::channel(limits.window + QUEUE);
        let session = Self {
            desk: Desk::default(),
            window: Semaphore::new(limits.window),
            queue,
            limits,
            heard: Mutex::new(Instant::now()),
            useful: AtomicBool::new(false),
        };
        (session, units)
    }

    /// Submits one part and waits for the answer, for a place in the window before, until `until`. May be dropped.
    pub async fn submit(&self, body: &[u8], until: Instant) -> Answered {
        let unsent = |why: &str| Unanswered::Unsent(why.to_owned());
        let place = timeout_at(until, self.window.acquire()).await;
        let Ok(place) = place else { return Err(unsent("no place in the window before the deadline")) };
        let left = until.saturating_duration_since(Instant::now());
        let (sequence, mut answer) = self.desk.register(Deadline::after(left))?;
        let registered = Registered(&self.desk, sequence);
        let bytes = unit(command::SUBMIT_SM, status::OK, sequence, body);
        let exchange = async {
            // It cannot be closed while we hold the session; what is not written is told by the desk.
            let _ = self.queue.send(Out::Submit(sequence, bytes)).await;
            (&mut answer).await
        };
        let answered = match timeout_at(until, exchange).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(Unanswered::Unknown("the answer was lost".to_owned())),
            Err(_) => match self.desk.give_up(sequence) {
                Some(true) => Err(Unanswered::Unknown("no answer before the deadline".to_owned())),
                Some(false) => Err(unsent("not written before the deadline")),
                // It came at the last moment.
                None => answer
                    .try_recv()
                    .unwrap_or_else(|_| Err(Unanswered::Unknown("the answer was lost".to_owned()))),
            },
        };
        drop(registered);
        drop(place);
        answered
    }

    /// Free places in the window.
    pub fn free(&self) -> usize {
        self.window.available_permits()
    }

    pub fn was_useful(&self) -> bool {
        self.useful.load(Ordering::Relaxed)
    }

    /// Nothing goes out any more, and everybody who waits is told.
    pub fn end(&self, why: &str) {
        self.desk.close(why);
        self.window.close();
    }

    /// Carries the session until it is lost, the provider unbinds, or `stop` is cancelled and we have unbound. Gives
    /// the reason in words.
    pub async fn run(
        &self,
        line: Line,
        units: mpsc::Receiver<Out>,
        inbox: &Inbox,
        stop: &CancellationToken,
    ) -> String {
        let (deliveries, waiting) = mpsc::channel(DELIVERIES);
        let turn = Turn::new(());
        let why = tokio::select! {
            why = self.read(line.reader, &deliveries) => why,
            why = self.write(line.writer, units) => why,
            why = self.stay_awake() => why,
            why = self.leave(stop, &turn) => why,
            why = self.deliver(waiting, inbox, &turn) => why,
        };
        self.end(&why);
        why
    }

    async fn read(
        &self,
        mut reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
        deliveries: &mpsc::Sender<Frame>,
    ) -> String {
        loop {
            let frame = match Frame::read(&mut reader).await {
                Ok(frame) => frame,
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return "the provider closed the connection".to_owned();
                }
                Err(error) => return error.to_string(),
            };
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            let sequence = frame.sequence;
            let answer = |to: u32| unit(to | command::RESPONSE, status::OK, sequence, &[]);
            match frame.command {
                command::ENQUIRE_LINK => self.write_soon(Out::Other(answer(frame.command))).await,
                command::UNBIND => self.write_soon(Out::Last(answer(frame.command))).await,
                command::DELIVER_SM | command::DATA_SM => {
                    self.useful.store(true, Ordering::Relaxed);
                    if let Err(mpsc::error::TrySendError::Full(frame)) = deliveries.try_send(frame) {
                        self.write_soon(Out::Other(acknowledgement(&frame, status::TRY_AGAIN))).await;
                    }
                }
                // No answer is foreseen for these (4.1.7, 4.12).
                command::OUTBIND | command::ALERT_NOTIFICATION => {}
                unbound if unbound == command::UNBIND | command::RESPONSE => {
                    return "unbound".to_owned();
                }
                answer if answer & command::RESPONSE != 0 => {
                    if let Some(why) = self.answered(frame) {
                        return why;
                    }
                }
                _ => {
                    let nack = unit(command::GENERIC_NACK, status::INVALID_COMMAND, sequence, &[]);
                    self.write_soon(Out::Other(nack)).await;
                }
            }
        }
    }

    /// Gives a reason to end the session, where the answer is one.
    fn answered(&self, frame: Frame) -> Option<String> {
        let code = frame.status;
        if frame.command == command::SUBMIT_SM | command::RESPONSE || frame.command == command::GENERIC_NACK {
            metrics::counter!("declic_smpp_submits_total", "status" => status::name(code)).increment(1);
            self.useful.store(true, Ordering::Relaxed);
            if !self.desk.answered(frame) {
                tracing::warn!(status = %status::words(code), "an SMPP answer came that nobody waits for any more");
            }
        }
        (code == status::WRONG_BIND_STATE).then(|| "the provider says that we are not bound".to_owned())
    }

    async fn write_soon(&self, out: Out) {
        // The receiver lives as long as `run`, of which this is a part.
        let _ = self.queue.send(out).await;
    }

    async fn write(
        &self,
        mut writer: Box<dyn AsyncWrite + Send + Unpin>,
        mut units: mpsc::Receiver<Out>,
    ) -> String {
        let mut bytes = Vec::new();
        // Submits among them, by where each ends.
        let mut submits: Vec<(usize, u32)> = Vec::new();
        while let Some(first) = units.recv().await {
            let (mut next, mut last) = (Some(first), false);
            while let Some(out) = next {
                match out {
                    Out::Submit(sequence, unit) if self.desk.begin(sequence) => {
                        bytes.extend(unit);
                        submits.push((bytes.len(), sequence));
                    }
                    Out::Submit(..) => {}
                    Out::Other(unit) => bytes.extend(unit),
                    Out::Last(unit) => {
                        bytes.extend(unit);
                        last = true;
                    }
                }
                next = if last || bytes.len() > CHUNK { None } else { units.try_recv().ok() };
            }
            let mut taken = 0;
            let written = timeout(self.limits.answer, async {
                while taken < bytes.len() {
                    match writer.write(&bytes[taken..]).await? {
                        0 => return Err(std::io::ErrorKind::WriteZero.into()),
                        count => taken += count,
                    }
                }
                writer.flush().await
            });
            let written = written.await;
            let failed = match written {
                Ok(Ok(())) if last => return "the provider unbound".to_owned(),
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("the provider takes nothing for {:?}", self.limits.answer)),
            };
            if let Some(why) = failed {
                for (_, sequence) in submits.iter().filter(|(end, _)| *end > taken) {
                    self.desk.not_begun(*sequence);
                }
                return why;
            }
            bytes.clear();
            submits.clear();
        }
        "closed".to_owned()
    }

    /// Asks after each silence whether the provider is there; ends when it is not.
    async fn stay_awake(&self) -> String {
        let heard = || *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let silent = heard().elapsed();
            if silent < self.limits.silence {
                sleep(self.limits.silence - silent).await;
                continue;
            }
            let asked = Instant::now();
            self.write_soon(Out::Other(unit(command::ENQUIRE_LINK, status::OK, self.desk.number(), &[])))
                .await;
            sleep(self.limits.answer).await;
            if heard() < asked {
                return format!("the provider gave no sign of life for {:?}", asked.elapsed());
            }
        }
    }

    /// Once told to stop, lets what came in be kept and acknowledged, and unbinds; reading then sees the answer.
    async fn leave(&self, stop: &CancellationToken, turn: &Turn<()>) -> String {
        stop.cancelled().await;
        let _no_more = timeout(TIDY, turn.lock()).await;
        self.write_soon(Out::Other(unit(command::UNBIND, status::OK, self.desk.number(), &[]))).await;
        sleep(TIDY).await;
        "the provider did not answer to our unbind".to_owned()
    }

    /// Has what comes in kept, and acknowledges it after that.
    async fn deliver(&self, mut waiting: mpsc::Receiver<Frame>, inbox: &Inbox, turn: &Turn<()>) -> String {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, 100).await > 0 {
            let _turn = turn.lock().await;
            let codes = inbox.keep(&batch).await;
            for (frame, code) in batch.drain(..).zip(codes) {
                self.write_soon(Out::Other(acknowledgement(&frame, code))).await;
            }
        }
        "closed".to_owned()
    }
}

/// The answer to a delivery; its message id is always empty (4.6.2).
fn acknowledgement(frame: &Frame, code: u32) -> Vec<u8> {
    unit(frame.command | command::RESPONSE, code, frame.sequence, &[0])
}

/// A submit that waits, until this is dropped.
struct Registered<'a>(&'a Desk, u32);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.0.give_up(self.1);
    }
}
