//! A small SMTP server that misbehaves on request.

use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::super::config::Tls;

/// What the server does instead of its part.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    Say(&'static str),
    /// Says it and hangs up.
    Last(&'static str),
    Close,
    Stall,
}

/// The first exchange that begins with the word takes the act, which is then used up. Words: commands,
/// `GREETING`, `BODY` (after 354, nothing read yet), `.` (after the final dot).
pub type Script = Vec<(&'static str, Act)>;

pub struct Server {
    pub port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

struct Session {
    number: usize,
    script: Arc<Mutex<Script>>,
    log: Arc<Mutex<Vec<String>>>,
    stream: BufReader<Box<dyn Stream>>,
}

impl Server {
    pub async fn start(tls: Tls, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script));
        let shared = log.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(number, stream, tls, script.clone(), shared.clone()));
            }
        });
        Self { port, log }
    }

    /// What clients said, each line with the number of its connection.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// How often a client said something that begins so, connection number included.
    pub fn count(&self, start: &str) -> usize {
        self.log().iter().filter(|line| line.starts_with(start)).count()
    }
}

async fn serve(
    number: usize,
    tcp: TcpStream,
    tls: Tls,
    script: Arc<Mutex<Script>>,
    log: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let stream: Box<dyn Stream> = match tls {
        Tls::Implicit => Box::new(acceptor().accept(tcp).await.ok()?),
        _ => Box::new(tcp),
    };
    let mut session = Session { number, script, log, stream: BufReader::new(stream) };
    session.act("GREETING", "220-sink.example\r\n220 at your service\r\n").await?;
    let mut offers = if tls == Tls::Starttls { "250-sink\r\n250 STARTTLS\r\n" } else { OFFERS };
    loop {
        let line = session.line().await?;
        session.log(&line);
        match line.split([' ', ':']).next()? {
            "EHLO" => _ = session.act("EHLO", offers).await?,
            "STARTTLS" => {
                session.act("STARTTLS", "220 go ahead\r\n").await?;
                let encrypted = acceptor().accept(session.stream.into_inner()).await.ok()?;
                session.stream = BufReader::new(Box::new(encrypted));
                offers = OFFERS;
            }
            "AUTH" => _ = session.act("AUTH", "235 welcome\r\n").await?,
            "DATA" => {
                if !session.act("DATA", "354 go on\r\n").await? {
                    continue;
                }
                session.act("BODY", "").await?;
                let mut body = String::new();
                loop {
                    let line = session.line().await?;
                    if line == "." {
                        break;
                    }
                    body.push_str(&line);
                    body.push('\n');
                }
                session.log(&format!("BODY {body}"));
                session.act(".", "250 2.0.0 queued\r\n").await?;
            }
            "QUIT" => return session.act("QUIT", "221 bye\r\n").await.map(drop),
            word => _ = session.act(word, "250 ok\r\n").await?,
        }
    }
}

const OFFERS: &str = "250-sink\r\n250-AUTH PLAIN LOGIN\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n";

/// For a server that takes one command at a time; it is asked twice what it offers.
pub const ONE_BY_ONE: [(&str, Act); 2] = [("EHLO", Act::Say("250 sink")), ("EHLO", Act::Say("250 sink"))];

impl Session {
    /// Whether the usual was said; `None`: the conversation is over.
    async fn act(&mut self, word: &str, usual: &str) -> Option<bool> {
        let act = {
            let mut script = self.script.lock().unwrap();
            let found = script.iter().position(|(on, _)| *on == word);
            found.map(|found| script.remove(found).1)
        };
        match act {
            None => self.say(usual).await.map(|()| true),
            Some(Act::Say(words)) => self.say(&format!("{words}\r\n")).await.map(|()| false),
            Some(Act::Last(words)) => self.say(&format!("{words}\r\n")).await.and(None),
            Some(Act::Close) => None,
            Some(Act::Stall) => std::future::pending().await,
        }
    }

    async fn say(&mut self, words: &str) -> Option<()> {
        self.stream.get_mut().write_all(words.as_bytes()).await.ok()?;
        self.stream.get_mut().flush().await.ok()
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end_matches("\r\n").to_owned())
    }

    fn log(&self, line: &str) {
        self.log.lock().unwrap().push(format!("{} {line}", self.number));
    }
}

pub fn data(file: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/smtp").join(file)
}

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(data("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(data("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
