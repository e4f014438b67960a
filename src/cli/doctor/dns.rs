//! TXT records, asked of the machine's resolver (RFC 1035), over TCP where the answer does not fit into a datagram.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// How long the resolver may take for one question.
const PATIENCE: Duration = Duration::from_secs(3);

/// The first resolver of `resolv.conf(5)`.
pub fn resolver() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let address: IpAddr = servers.filter_map(|rest| rest.trim().parse().ok()).next()?;
    Some(SocketAddr::new(address, 53))
}

/// The TXT records of a name; none where there is no such name. The error is in words.
pub async fn texts(resolver: SocketAddr, name: &str) -> Result<Vec<String>, String> {
    let asked = tokio::time::timeout(PATIENCE, ask(resolver, name)).await;
    asked
        .unwrap_or_else(|_| Err(std::io::Error::other(format!("no answer within {} s", PATIENCE.as_secs()))))
        .map_err(|error| format!("{resolver} was asked for {name}: {error}"))
}

async fn ask(resolver: SocketAddr, name: &str) -> std::io::Result<Vec<String>> {
    let query = query(name).map_err(std::io::Error::other)?;
    let any: IpAddr = if resolver.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(resolver).await?;
    socket.send(&query).await?;
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    let is_cut = Packet::parse(&answer).is_ok_and(|packet| packet.has_flags(PacketFlag::TRUNCATION));
    if is_cut {
        answer = over_tcp(resolver, &query).await?;
    }
    read(&query, &answer)
}

/// RFC 1035 4.2.2: each message behind its length.
async fn over_tcp(resolver: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    stream.write_all(&(query.len() as u16).to_be_bytes()).await?;
    stream.write_all(query).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn query(name: &str) -> Result<Vec<u8>, String> {
    // The port is new each time, and nothing is acted upon but what is said to the operator.
    let mut packet = Packet::new_query(std::process::id() as u16);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(|error| format!("{name} is no name: {error}"))?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::TXT), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|error| error.to_string())
}

fn read(query: &[u8], answer: &[u8]) -> std::io::Result<Vec<String>> {
    let packet = Packet::parse(answer).map_err(|error| std::io::Error::other(error.to_string()))?;
    if query.get(..2) != answer.get(..2) {
        return Err(std::io::Error::other("the answer is to another question"));
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Vec::new()),
        code => return Err(std::io::Error::other(format!("it says {code:?}"))),
    }
    let texts = packet.answers.into_iter().filter_map(|record| match record.rdata {
        RData::TXT(text) => String::try_from(text).ok(),
        _ => None,
    });
    Ok(texts.collect())
}
