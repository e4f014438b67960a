//! The stream under an SMTP connection: plain or TLS, and the plain prelude of STARTTLS (RFC 3207).
//!
//! After STARTTLS a server does not greet again, but lettre begins by reading a greeting; so the one that
//! was given before TLS is read once more. Only the words are replayed; all that the server *offers* is
//! asked for again under TLS, as the RFC demands.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::outcome::Failure;

/// A reply longer than this is not SMTP.
const LONGEST_REPLY: u64 = 64 * 1024;

#[derive(Debug)]
pub struct Wire {
    /// Read before anything from the stream.
    replay: Vec<u8>,
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub fn plain(stream: TcpStream) -> Self {
        Self { replay: Vec::new(), stream: Stream::Plain(stream) }
    }

    pub fn encrypted(stream: TlsStream<TcpStream>, greeting: String) -> Self {
        Self { replay: greeting.into_bytes(), stream: Stream::Encrypted(Box::new(stream)) }
    }

    /// In words, for the operator.
    pub fn encryption(&self) -> &'static str {
        match &self.stream {
            Stream::Plain(_) => "not encrypted",
            Stream::Encrypted(stream) => match stream.get_ref().1.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "encrypted with TLS 1.3",
                _ => "encrypted with TLS 1.2",
            },
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Plain(stream) => stream.peer_addr(),
            Stream::Encrypted(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if !wire.replay.is_empty() {
            let taken = wire.replay.len().min(buf.remaining());
            buf.put_slice(&wire.replay[..taken]);
            wire.replay.drain(..taken);
            return Poll::Ready(Ok(()));
        }
        match &mut wire.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Brings a plain connection to where TLS begins, and gives the greeting that the server gave.
pub async fn starttls(tcp: TcpStream, hello: &str) -> Result<(TcpStream, String), Failure> {
    let mut plain = BufReader::new(tcp);
    let greeting = reply(&mut plain).await?;
    let offers = command(&mut plain, &format!("EHLO {hello}\r\n")).await?;
    let offered = offers
        .lines()
        .any(|line| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS")));
    if !offered {
        return Err(Failure::Distrust("the server does not offer STARTTLS".to_owned()));
    }
    command(&mut plain, "STARTTLS\r\n").await?;
    if !plain.buffer().is_empty() {
        return Err(Failure::Distrust(
            "the server, or someone between, sent more than the reply to STARTTLS".to_owned(),
        ));
    }
    Ok((plain.into_inner(), greeting))
}

async fn command(plain: &mut BufReader<TcpStream>, line: &str) -> Result<String, Failure> {
    plain.get_mut().write_all(line.as_bytes()).await.map_err(lost)?;
    reply(plain).await
}

/// One positive reply with all its lines (RFC 5321 4.2.1: the last has a blank after the code).
async fn reply(plain: &mut BufReader<TcpStream>) -> Result<String, Failure> {
    let mut limited = plain.take(LONGEST_REPLY);
    let mut all = String::new();
    loop {
        let start = all.len();
        if limited.read_line(&mut all).await.map_err(lost)? == 0 {
            return Err(Failure::Lost("the connection was closed in the middle of a reply".to_owned()));
        }
        let line = &all[start..];
        let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
        match (code, line.as_bytes().get(3)) {
            (Some(_), Some(b'-')) => {}
            (Some(200..400), _) => return Ok(all),
            (Some(code), _) => {
                let text = line.get(4..).unwrap_or_default().trim().to_owned();
                return Err(Failure::Reply { code, text });
            }
            (None, _) => return Err(Failure::Lost("what the server says is not SMTP".to_owned())),
        }
    }
}

fn lost(error: io::Error) -> Failure {
    Failure::Lost(error.to_string())
}
