//! Requests to the provider: one message, one request, within one deadline.
//!
//! Knows at every moment whether the provider may have the message. Makes a request a second time only when the
//! connection it was meant for was closed before the first byte of it was written; every other retry is for the
//! caller to decide. Redirects are not followed: a message goes where the configuration says, or nowhere.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_LENGTH, DATE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited, StreamBody};
use hyper_util::client::legacy::Error;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::config::HttpSmsConfig;
use super::mask::without_secret;
use super::outcome::{self, Reply};
use super::presets::with_preset;
use super::provider::Provider;
use super::webhook::Webhooks;
use super::wire::{Body, HttpClient, chain, client, tls_error, trust};
use crate::channels::sms::{Incoming, IncomingSink, OptOut};
use crate::channels::{Answer, Sms};
use crate::clock::Deadline;
use crate::domain::trace::TRACEPARENT;

/// How much of an answer is read: providers say what matters in less than one kilobyte.
const LARGEST_ANSWER: usize = 64 * 1024;
/// How long it may take to keep that a customer wants no more; else the message is tried, and refused, again.
const TO_KEEP: Duration = Duration::from_secs(5);
/// How long requests under way may take once the channel is closed.
const TIDY: Duration = Duration::from_secs(5);

/// A provider reached over HTTP. Clones share its connections.
#[derive(Clone)]
pub struct HttpSms(Arc<Inner>, Option<IncomingSink>);

struct Inner {
    provider: Provider,
    client: HttpClient,
    tls: Arc<ClientConfig>,
    permits: Semaphore,
    connections: u32,
    deadline: Duration,
    callback_url: Option<String>,
    inbound_url: Option<String>,
}

impl fmt::Debug for HttpSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpSms")
    }
}

impl HttpSms {
    /// Checks that the configuration holds together and reads certificates; does not connect. `base_url` is what the
    /// provider reaches our webhooks by, without a slash at the end. The error is in words and names the key.
    pub fn new(config: &HttpSmsConfig, base_url: &str) -> Result<Self, String> {
        let config = with_preset(config)?;
        let provider = Provider::new(&config)?;
        let webhooks = Webhooks::described(&config, base_url)?;
        let tls = Arc::new(trust(&config)?);
        let connections = config.connections.clamp(1, 1000);
        let inner = Inner {
            provider,
            client: client(&config, &tls, connections),
            tls,
            permits: Semaphore::new(connections),
            connections: u32::try_from(connections).unwrap_or(1000),
            deadline: Duration::from_secs(config.send_deadline_s.max(1)),
            callback_url: webhooks.as_ref().and_then(Webhooks::status_url),
            inbound_url: webhooks.as_ref().and_then(Webhooks::inbound_url),
        };
        Ok(Self(Arc::new(inner), None))
    }

    /// Tells `sink` of customers to whom the provider does not write because they have told it to stop.
    pub fn telling(self, sink: IncomingSink) -> Self {
        Self(self.0, Some(sink))
    }

    /// Hands over one message, within the send deadline.
    pub async fn send(&self, sms: &Sms) -> Answer {
        let until = Instant::now() + self.0.deadline;
        let ends = Deadline::after(self.0.deadline);
        let written = Arc::new(AtomicBool::new(false));
        let request = match self.request(sms, ends, &written) {
            Ok(request) => request,
            Err(detail) => return Answer::Invalid { detail, bad_address: false },
        };
        let mut opted_out = false;
        let mut answer = match timeout_at(until, self.exchange(request, until)).await {
            Ok(Ok(reply)) => {
                let answer = outcome::answer(&self.0.provider, &reply, &sms.to);
                opted_out =
                    matches!(answer, Answer::Refused { .. }) && outcome::is_opt_out(&self.0.provider, &reply);
                answer
            }
            Ok(Err(Failure::Closed)) => Answer::Retry { reply: "the channel is closed".to_owned() },
            Ok(Err(Failure::Distrust(reply))) => Answer::ProviderRefused { reply },
            Ok(Err(Failure::Unreachable(reply))) => Answer::Busy { reply },
            Ok(Err(Failure::Lost(words))) if !written.load(Ordering::SeqCst) => Answer::Busy { reply: words },
            Ok(Err(Failure::Lost(words))) => outcome::unknown(&self.0.provider, words),
            Err(_) => {
                let words = format!("no answer within {:?}", self.0.deadline);
                if written.load(Ordering::SeqCst) {
                    outcome::unknown(&self.0.provider, words)
                } else {
                    Answer::Busy { reply: words }
                }
            }
        };
        if let Some(secret) = &self.0.provider.secret {
            let words = answer.words_mut();
            *words = without_secret(std::mem::take(words), secret.expose());
        }
        if opted_out { self.opted_out(sms, answer).await } else { answer }
    }

    /// Has it kept that the customer wants no more, before the message ends.
    async fn opted_out(&self, sms: &Sms, mut answer: Answer) -> Answer {
        let Some(sink) = &self.1 else { return answer };
        let opt_out = OptOut {
            message_id: sms.message_id.clone(),
            number: sms.to.clone(),
            answer: answer.words_mut().clone(),
        };
        let kept = timeout(TO_KEEP, sink(vec![Incoming::OptOut(opt_out)])).await;
        let why = match kept {
            Ok(Ok(())) => return answer,
            Ok(Err(why)) => why,
            Err(_) => format!("not within {TO_KEEP:?}"),
        };
        Answer::Retry { reply: format!("{}; this could not be kept: {why}", answer.words_mut()) }
    }

    /// Tries the way to the provider without sending: asks at `check_path` with the secret, or else connects and
    /// encrypts.
    pub async fn check(&self) -> Result<String, String> {
        let checked = match self.0.provider.check.clone() {
            Some(uri) => timeout(self.0.deadline, self.ask(uri)).await,
            None => timeout(self.0.deadline, self.connect()).await,
        };
        let words = checked
            .unwrap_or_else(|_| Err(format!("{} did not answer in {:?}", self.host(), self.0.deadline)));
        words.map_err(|words| match &self.0.provider.secret {
            Some(secret) => without_secret(words, secret.expose()),
            None => words,
        })
    }

    /// Lets requests under way end (up to five seconds); later ones are refused with `Retry`.
    pub async fn close(&self) {
        let all = timeout(TIDY, self.0.permits.acquire_many(self.0.connections)).await;
        // Late or not, nobody gets a permit from now on.
        self.0.permits.close();
        drop(all);
    }

    fn request(&self, sms: &Sms, ends: Deadline, written: &Arc<AtomicBool>) -> Result<Request<Body>, String> {
        let Inner { provider, callback_url, inbound_url, .. } = self.0.as_ref();
        let body = provider.body(sms, callback_url.as_deref(), inbound_url.as_deref());
        let mut request = Request::new(());
        *request.method_mut() = provider.method.clone();
        *request.uri_mut() = provider.uri.clone();
        *request.headers_mut() = provider.headers.clone();
        // Said here, as what notes the writing below hides the length.
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        if let Some(name) = &provider.idempotency_header {
            let value = HeaderValue::from_str(&sms.message_id);
            let value = value.map_err(|_| "the message's identity cannot be a header's value".to_owned())?;
            request.headers_mut().insert(name, value);
        }
        if let Some(trace) = sms.trace.filter(|_| provider.traceparent)
            && let Ok(value) = HeaderValue::from_str(&trace.to_string())
        {
            request.headers_mut().insert(HeaderName::from_static(TRACEPARENT), value);
        }
        let written = Arc::clone(written);
        // The connection asks for the body when it is about to write it: until then nobody can have the message. Not
        // after the deadline, which a process that was frozen may have slept through.
        let body = stream::once(async move {
            if ends.has_passed() {
                return Some(Err(io::Error::other("its time was over before it was written")));
            }
            written.store(true, Ordering::SeqCst);
            Full::new(Bytes::from(body)).frame().await.map(|frame| frame.map_err(|never| match never {}))
        });
        let body = StreamBody::new(body.filter_map(std::future::ready));
        Ok(request.map(|()| body.boxed_unsync()))
    }

    /// One request and its answer, on one of our connections.
    async fn exchange(&self, request: Request<Body>, until: Instant) -> Result<Reply, Failure> {
        let _permit = self.0.permits.acquire().await.map_err(|_| Failure::Closed)?;
        let response = self.0.client.request(request).await.map_err(|error| self.failure(&error))?;
        let (head, body) = response.into_parts();
        let header = |name| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let (retry_after, date) = (header(RETRY_AFTER), header(DATE));
        // The status is known: a body that is lost or late must not make it unknown again. So it ends a little
        // before the deadline that would forget it.
        let until = until.checked_sub(Duration::from_millis(50)).unwrap_or(until);
        let body = match timeout_at(until, Limited::new(body, LARGEST_ANSWER).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(format!("its text is longer than {LARGEST_ANSWER} bytes"))
            }
            Ok(Err(error)) => Err(format!("its text was cut short: {}", chain(error.as_ref()))),
            Err(_) => Err("its text did not come in time".to_owned()),
        };
        Ok(Reply { status: head.status.as_u16(), retry_after, date, body })
    }

    fn failure(&self, error: &Error) -> Failure {
        let words = format!("{}: {}", self.host(), chain(error));
        match (error.is_connect(), tls_error(error)) {
            (true, Some(_)) => Failure::Distrust(format!("TLS with {words}")),
            (true, None) => Failure::Unreachable(words),
            (false, _) => Failure::Lost(words),
        }
    }

    async fn ask(&self, uri: Uri) -> Result<String, String> {
        let mut request = Request::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.0.provider.headers.clone();
        let response = self.0.client.request(request).await;
        let response = response.map_err(|error| format!("{}: {}", self.host(), chain(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(format!("{} answers and knows the account", self.host())),
            status => Err(format!("{} answers {status}", self.host())),
        }
    }

    async fn connect(&self) -> Result<String, String> {
        let host = self.host();
        let said = |error: io::Error| format!("{host}: {}", chain(&error));
        let uri = &self.0.provider.uri;
        let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let encrypted = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let tcp = TcpStream::connect((name, port)).await.map_err(said)?;
        if !encrypted {
            return Ok(format!("{host} can be reached, not encrypted"));
        }
        let server =
            ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` cannot be certified"))?;
        TlsConnector::from(Arc::clone(&self.0.tls)).connect(server, tcp).await.map_err(said)?;
        Ok(format!(
            "{host} can be reached, encrypted; whether it knows the account shows with the first message"
        ))
    }

    fn host(&self) -> &str {
        self.0.provider.uri.authority().map_or("", |authority| authority.as_str())
    }
}

/// Why there is no answer.
enum Failure {
    Closed,
    /// Something answers that we do not trust, or that speaks no TLS.
    Distrust(String),
    /// There was no connection to write to.
    Unreachable(String),
    /// There was one.
    Lost(String),
}
