//! One SMTP connection: TCP, TLS, EHLO and sign-in, then single commands with our words for failures.
//!
//! A server that allows it is told sender, recipient and DATA in one go (RFC 2920), and a body of usual size goes with its
//! final dot: a mail is two waits, not four, which is half of what it costs on either side.
//!
//! lettre speaks the dialogue over a stream that we open, for three reasons: `TCP_NODELAY` (with Nagle's
//! algorithm each mail waits 40 ms for a delayed acknowledgement, as lettre writes the body and the final
//! dot apart), deadlines (lettre's cover the connect only), and STARTTLS (lettre keeps what a
//! man in the middle appended to the plain reply and reads it as if it had come encrypted).

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, iter};

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Quit, Rcpt, Rset};
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

/// A body up to this size goes out with its final dot in one piece. The sockets of both sides take as much at once, so
/// whether a lost connection has carried the dot could not be told in either case; of a larger one it can.
const ONE_PIECE: usize = 64 * 1024;

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
        // lettre keeps of the server's offers what it uses itself, so they are asked for once more.
        let offers = smtp.command(Ehlo::new(hello)).await;
        let pipelines = offers.is_ok_and(|o| o.message().any(|line| line.eq_ignore_ascii_case("PIPELINING")));
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
        Ok(Connection { smtp, encryption, pipelines, replies_due: 0, carried: 0, idle_since: Instant::now() })
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
    /// Whether the server takes several commands at once.
    pipelines: bool,
    /// Commands that were sent together with one before, and whose replies have not been read.
    replies_due: u8,
    /// Mails begun on it.
    pub carried: u32,
    pub idle_since: Instant,
}

impl Connection {
    /// Begins a mail; then comes [`Self::rcpt`] with the same recipient, and [`Self::data`]. `utf8`: an address on it is
    /// outside ASCII, and so is the header it stands in.
    pub async fn mail(&mut self, from: &Address, to: &Address, utf8: bool) -> Result<(), Failure> {
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
        let mail = Mail::new(Some(from.clone()), parameters);
        let reply = if self.pipelines {
            self.replies_due = 2;
            self.smtp.command(format!("{mail}{}{Data}", rcpt(to))).await
        } else {
            self.smtp.command(mail).await
        };
        completed(reply).map(drop)
    }

    pub async fn rcpt(&mut self, to: &Address) -> Result<(), Failure> {
        completed(self.answer(rcpt(to)).await).map(drop)
    }

    pub async fn data(&mut self) -> Result<(), Failure> {
        let reply = self.answer(Data).await.map_err(failure)?;
        if reply.has_code(354) {
            Ok(())
        } else {
            Err(Failure::Lost("DATA was answered without 354".to_owned()))
        }
    }

    /// The reply to a command, which may have been sent already.
    async fn answer(&mut self, command: impl Display) -> Result<Response, lettre::transport::smtp::Error> {
        if self.replies_due == 0 {
            return self.smtp.command(command).await;
        }
        self.replies_due -= 1;
        self.smtp.read_response().await
    }

    /// Sends the body and the final dot. `dot` turns true before the first byte of the dot is written:
    /// from then on the server may have accepted the mail.
    pub async fn body(&mut self, bytes: &[u8], dot: &AtomicBool) -> Result<String, Failure> {
        // The dot's own line end closes the last line.
        let body = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        let writes_dot = || {
            dot.store(true, Ordering::SeqCst);
            failpoint::reach("smtp.dot");
        };
        if body.len() <= ONE_PIECE
            && let Ok(text) = str::from_utf8(body)
        {
            writes_dot();
            return completed(self.smtp.command(with_dot(text)).await);
        }
        // lettre asks for the next piece when this one is written, and writes the dot when there is none.
        let marker = iter::from_fn(|| {
            writes_dot();
            None
        });
        completed(self.smtp.message_iter(iter::once(body).chain(marker)).await)
    }

    /// Forgets a mail begun and not sent.
    pub async fn reset(&mut self) -> Result<(), Failure> {
        // RFC 2920 3.1: a server may say yes to DATA though it has refused the one recipient. There is nothing to send and
        // nobody to send it to; whatever it answers, RSET is next.
        if self.replies_due > 0 && self.data().await.is_ok() {
            let _ = self.smtp.command(".\r\n").await;
        }
        completed(self.smtp.command(Rset).await).map(drop)
    }

    pub async fn quit(mut self) {
        // Whatever it answers, the connection ends here.
        let _ = self.smtp.command(Quit).await;
    }
}

fn rcpt(to: &Address) -> Rcpt {
    Rcpt::new(to.clone(), Vec::new())
}

/// A body, whose lines all end in CRLF, as it travels (RFC 5321 4.5.2): of a line that begins with a dot the dot is doubled,
/// and a line of one dot ends it all.
fn with_dot(body: &str) -> String {
    let mut out = String::with_capacity(body.len() + 32);
    for line in body.split_inclusive('\n') {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
    }
    out.push_str("\r\n.\r\n");
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_at_the_start_of_a_line_are_doubled() {
        let cases = [
            ("", "\r\n.\r\n"),
            ("a.b\r\nc.", "a.b\r\nc.\r\n.\r\n"),
            (".\r\n.\r\n..a\r\n\r\n.", "..\r\n..\r\n...a\r\n\r\n..\r\n.\r\n"),
        ];
        for (body, wire) in cases {
            assert_eq!(with_dot(body), wire, "{body:?}");
        }
    }
}
