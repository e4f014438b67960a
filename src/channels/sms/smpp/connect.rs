//! The way to the message centre: TCP, TLS and bind, within one limit.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::config::{SmppConfig, Tls};
use super::pdu::{self, Frame, command};
use super::status::{self, Failure};
use crate::channels::trust::trust;
use crate::secret::Secret;

/// An account name, a password or a system type longer than this is a mistake; the standard allows 15, 8 and 12, and
/// providers more.
const LONGEST_NAME: usize = 64;
/// How long a goodbye may take.
const TIDY: Duration = Duration::from_secs(5);

/// What a bind is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Both,
    Sends,
    Receives,
}

impl Role {
    fn command(self) -> u32 {
        match self {
            Self::Both => command::BIND_TRANSCEIVER,
            Self::Sends => command::BIND_TRANSMITTER,
            Self::Receives => command::BIND_RECEIVER,
        }
    }
}

/// Opens bound connections to one provider.
pub struct Dialer {
    host: String,
    port: u16,
    tls: Tls,
    connector: TlsConnector,
    system_id: String,
    password: Secret,
    system_type: String,
    limit: Duration,
}

/// A bound connection, in two directions.
pub struct Line {
    pub reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    encryption: &'static str,
}

impl fmt::Display for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Dialer {
    /// The error says in words what does not fit in the configuration.
    pub fn new(config: &SmppConfig) -> Result<Self, String> {
        let password = config.password.clone().unwrap_or_else(|| Secret::new(""));
        let names = [
            ("system_id", config.system_id.as_str()),
            ("password", password.expose()),
            ("system_type", config.system_type.as_str()),
        ];
        for (key, value) in names {
            if value.len() > LONGEST_NAME || value.bytes().any(|b| !matches!(b, b' '..=b'~')) {
                return Err(format!("{key} must be at most {LONGEST_NAME} characters of ASCII"));
            }
        }
        if config.system_id.is_empty() {
            return Err("system_id is missing: the name of your account with the SMS provider".to_owned());
        }
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            tls: config.tls,
            connector: TlsConnector::from(Arc::new(trust(config.ca_file.as_deref())?)),
            system_id: config.system_id.clone(),
            password,
            system_type: config.system_type.clone(),
            limit: Duration::from_secs(config.connect_timeout_s.max(1)),
        })
    }

    /// How long a provider may take to answer when it has nothing to do but answer.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// A bound connection.
    pub async fn dial(&self, role: Role) -> Result<Line, Failure> {
        let late = |_| Failure::Lost(format!("{self} did not answer in {:?}", self.limit));
        timeout(self.limit, self.dial_unbounded(role)).await.map_err(late)?
    }

    async fn dial_unbounded(&self, role: Role) -> Result<Line, Failure> {
        let lost = |error: io::Error| Failure::Lost(format!("{self}: {error}"));
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(lost)?;
        // Units are small and often alone: with Nagle's algorithm each would wait for the acknowledgement before it.
        tcp.set_nodelay(true).map_err(lost)?;
        let mut line = match self.tls {
            Tls::None => {
                let (reader, writer) = tcp.into_split();
                let reader: Box<dyn AsyncRead + Send + Unpin> = Box::new(reader);
                Line { reader: BufReader::new(reader), writer: Box::new(writer), encryption: "not encrypted" }
            }
            Tls::Implicit => self.encrypt(tcp).await?,
        };
        self.bind(role, &mut line).await?;
        Ok(line)
    }

    async fn encrypt(&self, tcp: TcpStream) -> Result<Line, Failure> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Failure::Refused(format!("`{}` is no name a certificate can hold", self.host)))?;
        let stream = match self.connector.connect(name, tcp).await {
            Ok(stream) => stream,
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                return Err(Failure::Refused(format!("TLS with {self} failed: {error}")));
            }
            Err(error) => return Err(Failure::Lost(format!("{self}: {error}"))),
        };
        let encryption = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "encrypted with TLS 1.3",
            _ => "encrypted with TLS 1.2",
        };
        let (reader, writer) = split(stream);
        let reader: Box<dyn AsyncRead + Send + Unpin> = Box::new(reader);
        Ok(Line { reader: BufReader::new(reader), writer: Box::new(writer), encryption })
    }

    async fn bind(&self, role: Role, line: &mut Line) -> Result<(), Failure> {
        let lost = |error: io::Error| Failure::Lost(format!("{self}: {error}"));
        let body = pdu::bind(&self.system_id, self.password.expose(), &self.system_type);
        let asked = role.command();
        line.writer.write_all(&pdu::unit(asked, status::OK, 1, &body)).await.map_err(lost)?;
        line.writer.flush().await.map_err(lost)?;
        loop {
            let frame = Frame::read(&mut line.reader).await.map_err(lost)?;
            let answers =
                frame.command == asked | command::RESPONSE || frame.command == command::GENERIC_NACK;
            match frame.status {
                // Some greet with a question before the bind is answered.
                _ if !answers => {}
                status::OK => return Ok(()),
                code => return Err(Failure::bind(code)),
            }
        }
    }

    /// The provider in words, for the operator.
    pub fn describe(&self, line: &Line) -> String {
        format!("{self} answers, {}, bound as {}", line.encryption, self.system_id)
    }

    /// Binds on a connection of its own and unbinds again.
    pub async fn check(&self, role: Role) -> Result<String, Failure> {
        let mut line = self.dial(role).await?;
        let words = self.describe(&line);
        let farewell = async {
            line.writer.write_all(&pdu::unit(command::UNBIND, status::OK, 2, &[])).await?;
            line.writer.flush().await?;
            while Frame::read(&mut line.reader).await?.command != command::UNBIND | command::RESPONSE {}
            io::Result::Ok(())
        };
        // The answer is known; how the goodbye goes changes nothing.
        let _ = timeout(TIDY, farewell).await;
        Ok(words)
    }
}
