//! One SMTP connection: TCP, TLS, EHLO and sign-in, then single commands with our words for failures.
//!
//! lettre speaks the dialogue over a stream that we open, for three reasons: `TCP_NODELAY` (with Nagle's
//! algorithm each mail waits 40 ms for a delayed acknowledgement, as lettre writes the body and the final
//! dot apart), deadlines (lettre's cover the connect only), and STARTTLS (lettre keeps what a
//! man in the middle appended to the plain reply and reads it as if it had come encrypted).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, iter};

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::config::{SmtpConfig, Tls};
use super::outcome::Failure;
use super::wire::{Wire, starttls};
use crate::channels::trust::trust;
use crate::failpoint;

/// Opens connections to one provider.
pub struct Dialer {
    host: String,
    port: u16,
    tls: Tls,
    connector: TlsConnector,
    hello_name: Option<String>,
    credentials: Option<Credentials>,
    limit: Duration,
}

impl Dialer {
    /// The error says in words what does not fit in the configuration.
    pub fn new(config: &SmtpConfig) -> Result<Self, String> {
        let credentials = match (&config.username, &config.password) {
            (Some(name), Some(password)) => {
                Some(Credentials::new(name.clone(), password.expose().to_owned()))
            }
            (None, None) => None,
            _ => return Err("username and password go together: one of them is missing".to_owned()),
        };
        if credentials.is_some() && config.tls == Tls::None && !loopback(&config.host) {
            return Err("tls = \"none\" would send the password readable by anyone on the way; use \
                        \"starttls\" or \"implicit\""
                .to_owned());
        }
        if let Some(name) = &config.hello_name
            && (name.is_empty() || !name.chars().all(|c| c.is_ascii_graphic()))
        {
            return Err(format!("hello_name `{name}` is not a host name"));
        }
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            tls: config.tls,
            connector: TlsConnector::from(Arc::new(trust(config.ca_file.as_deref())?)),
            hello_name: config.hello_name.clone(),
            credentials,
            limit: Duration::from_secs(config.connect_timeout_s.max(1)),
        })
    }

    /// How long a server may take to answer when it has nothing to do but answer.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// A connection ready for mail.
    pub async fn dial(&self) -> Result<Connection, Failure> {
        let late =
            |_| Failure::Lost(format!("{}:{} did not answer in {:?}", self.host, self.port, self.limit));
        timeout(self.limit, self.dial_unbounded()).await.map_err(late)?
    }

    async fn dial_unbounded(&self) -> Result<Connection, Failure> {
        let lost = |error: io::Error| Failure::Lost(format!("{}:{}: {error}", self.host, self.port));
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(lost)?;
        tcp.set_nodelay(true).map_err(lost)?;
        let hello = self.hello(tcp.local_addr().map_err(lost)?.ip());
        let wire = match self.tls {
            Tls::None => Wire::plain(tcp),
            Tls::Implicit => self.encrypt(tcp, String::new()).await?,
            Tls::Starttls => {
                let (tcp, greeting) = starttls(tcp, &hello.to_string()).await?;
                self.encrypt(tcp, greeting).await?
            }
        };
        let encryption = wire.encryption();
        let mut smtp =
            AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello).await.map_err(failure)?;
        if let Some(credentials) = &self.credentials {
            let signed_in = smtp.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
            signed_in.map_err(|error| match error.is_client() {
                // lettre's own error here: the server offers neither mechanism.
                true => {
                    Failure::Distrust("the server does not offer to sign in with PLAIN or LOGIN".to_owned())
                }
                false => failure(error),
            })?;
        }
        Ok(Connection { smtp, encryption, carried: 0, idle_since: Instant::now() })
    }

    /// `greeting`: what the server has said before TLS and will not say again.
    async fn encrypt(&self, tcp: TcpStream, greeting: String) -> Result<Wire, Failure> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Failure::Distrust(format!("`{}` is no name a certificate can hold", self.host)))?;
        match self.connector.connect(name, tcp).await {
            Ok(stream) => Ok(Wire::encrypted(stream, greeting)),
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                Err(Failure::Distrust(format!("TLS with {}:{} failed: {error}", self.host, self.port)))
            }
            Err(error) => Err(Failure::Lost(format!("{}:{}: {error}", self.host, self.port))),
        }
    }

    fn hello(&self, own: IpAddr) -> ClientId {
        match (&self.hello_name, own) {
            (Some(name), _) => ClientId::Domain(name.clone()),
            (None, IpAddr::V4(ip)) => ClientId::Ipv4(ip),
            (None, IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        }
    }

    /// The provider in words, for the operator.
    pub fn describe(&self, connection: &Connection) -> String {
        let signed_in = if self.credentials.is_some() { ", signed in" } else { ", without signing in" };
        format!("{}:{} answers, {}{signed_in}", self.host, self.port, connection.encryption)
    }
}

fn loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An open connection.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    encryption: &'static str,
    /// Mails begun on it.
    pub carried: u32,
    pub idle_since: Instant,
}

impl Connection {
    /// Begins a mail. `utf8`: an address on it is outside ASCII, and so is the header it stands in.
    pub async fn mail(&mut self, from: &Address, utf8: bool) -> Result<(), Failure> {
        let mut parameters = Vec::new();
        if utf8 {
            if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure::Unsupported(
                    "the provider takes no address outside ASCII (SMTPUTF8)".to_owned(),
                ));
            }
            // RFC 6531 3.1: a server with SMTPUTF8 has 8BITMIME.
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.carried += 1;
        completed(self.smtp.command(Mail::new(Some(from.clone()), parameters)).await).map(drop)
    }

    pub async fn rcpt(&mut self, to: &Address) -> Result<(), Failure> {
        completed(self.smtp.command(Rcpt::new(to.clone(), Vec::new())).await).map(drop)
    }

    pub async fn data(&mut self) -> Result<(), Failure> {
        let reply = self.smtp.command(Data).await.map_err(failure)?;
        if reply.has_code(354) {
            Ok(())
        } else {
            Err(Failure::Lost("DATA was answered without 354".to_owned()))
        }
    }

    /// Sends the body and the final dot. `dot` turns true before the first byte of the dot is written:
    /// from then on the server may have accepted the mail.
    pub async fn body(&mut self, bytes: &[u8], dot: &AtomicBool) -> Result<String, Failure> {
        // The dot's own line end closes the last line.
        let body = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        // lettre asks for the next piece when this one is written, and writes the dot when there is none.
        let marker = iter::from_fn(|| {
            dot.store(true, Ordering::SeqCst);
            failpoint::reach("smtp.dot");
            None
        });
        completed(self.smtp.message_iter(iter::once(body).chain(marker)).await)
    }

    /// Forgets a mail begun and not sent.
    pub async fn reset(&mut self) -> Result<(), Failure> {
        completed(self.smtp.command(Rset).await).map(drop)
    }

    pub async fn quit(mut self) {
        // Whatever it answers, the connection ends here.
        let _ = self.smtp.command(Quit).await;
    }
}

/// Requires a 2xx, and gives its words.
fn completed(reply: Result<Response, lettre::transport::smtp::Error>) -> Result<String, Failure> {
    let reply = reply.map_err(failure)?;
    if reply.code().severity != Severity::PositiveCompletion {
        return Err(Failure::Lost(format!("the server answered {} out of turn", reply.code())));
    }
    Ok(format!("{} {}", reply.code(), reply.message().collect::<Vec<_>>().join(" ")))
}

fn failure(error: lettre::transport::smtp::Error) -> Failure {
    use std::error::Error;

    let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    match error.status() {
        Some(code) => Failure::Reply { code: code.into(), text: words },
        None => Failure::Lost(words),
    }
}
