//! A provider that does what it is told with each request, and notes what it was sent.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What it does with a request.
#[derive(Debug, Clone)]
pub enum Play {
    /// Says these bytes and waits for the next request.
    Say(String),
    /// Says these bytes and closes.
    SayAndClose(String),
    /// Says these bytes and then nothing more, with the connection open.
    SayAndHang(String),
    /// Reads the request and closes.
    CloseAfterReading,
    /// Closes as soon as somebody has connected.
    CloseBeforeReading,
    /// Does not even begin TLS.
    NeverSpeak,
}

/// An answer as it stands on the wire.
pub fn http(status: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text + "\r\n" + body
}

pub fn json(status: &str, body: &str) -> Play {
    Play::Say(http(status, &["content-type: application/json"], body))
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<String>,
    connections: usize,
    most_at_once: usize,
    at_once: usize,
}

/// The running provider; gone when dropped.
pub struct Stub {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// Plays each of `plays` in turn, one a request, and the last one for all that follow.
    pub async fn start(plays: Vec<Play>) -> Self {
        Self::with(plays, false, Duration::ZERO).await
    }

    pub async fn encrypted(plays: Vec<Play>) -> Self {
        Self::with(plays, true, Duration::ZERO).await
    }

    pub async fn slow(plays: Vec<Play>, thinks: Duration) -> Self {
        Self::with(plays, false, thinks).await
    }

    async fn with(plays: Vec<Play>, encrypted: bool, thinks: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let next = Arc::new(Mutex::new((plays, 0)));
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let acceptor = encrypted.then(acceptor);
            while let Ok((tcp, _)) = listener.accept().await {
                noted.lock().unwrap().connections += 1;
                let (next, noted, acceptor) = (Arc::clone(&next), Arc::clone(&noted), acceptor.clone());
                tokio::spawn(async move { connection(tcp, acceptor, next, noted, thinks).await });
            }
        });
        Self { port, seen, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/send", self.port)
    }

    /// Whole requests, in the order they came.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    pub fn most_at_once(&self) -> usize {
        self.seen.lock().unwrap().most_at_once
    }
}

type Next = Arc<Mutex<(Vec<Play>, usize)>>;

async fn connection(
    tcp: TcpStream,
    acceptor: Option<TlsAcceptor>,
    next: Next,
    seen: Arc<Mutex<Seen>>,
    thinks: Duration,
) {
    match peek(&next) {
        Play::CloseBeforeReading => return,
        Play::NeverSpeak => std::future::pending().await,
        _ => {}
    }
    match acceptor {
        Some(acceptor) => {
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            talk(stream, next, seen, thinks).await;
        }
        None => talk(tcp, next, seen, thinks).await,
    }
}

fn peek(next: &Next) -> Play {
    let next = next.lock().unwrap();
    next.0[next.1.min(next.0.len() - 1)].clone()
}

fn take(next: &Next) -> Play {
    let play = peek(next);
    next.lock().unwrap().1 += 1;
    play
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    next: Next,
    seen: Arc<Mutex<Seen>>,
    thinks: Duration,
) {
    while let Some(request) = read_request(&mut stream).await {
        {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request);
            seen.at_once += 1;
            seen.most_at_once = seen.most_at_once.max(seen.at_once);
        }
        tokio::time::sleep(thinks).await;
        seen.lock().unwrap().at_once -= 1;
        match take(&next) {
            Play::Say(text) => stream.write_all(text.as_bytes()).await.unwrap_or(()),
            Play::SayAndClose(text) => {
                stream.write_all(text.as_bytes()).await.unwrap_or(());
                return;
            }
            Play::SayAndHang(text) => {
                stream.write_all(text.as_bytes()).await.unwrap_or(());
                std::future::pending::<()>().await;
            }
            Play::CloseAfterReading | Play::CloseBeforeReading | Play::NeverSpeak => return,
        }
    }
}

/// Head and body, or none when the connection ends before they are whole.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}

pub fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/smtp").join(name)
}

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(data("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(data("server.key")).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
