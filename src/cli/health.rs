//! `declic health`: asks the worker that runs with this configuration whether it is well, where there is no `curl` to do so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, header::AUTHORIZATION};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::{Failure, environment};
use crate::config::{Admin, Config};

/// Longer than the worker gives its own parts to answer.
const PATIENCE: Duration = Duration::from_secs(7);
/// What is read of an answer, in bytes: it names each part and says a line about it.
const LARGEST_ANSWER: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Asks only whether the process answers, not whether database, broker and its parts do: for whoever restarts it
    #[arg(long)]
    live: bool,
}

/// What `/health` says; the parts only where the token was right.
#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    checks: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    ok: bool,
    detail: String,
}

pub async fn health(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let path = if args.live { "/health/live" } else { "/health" };
    let url = format!("http://{}{path}", reached_at(&config.admin));
    let asked = tokio::time::timeout(PATIENCE, ask(&config, &url)).await;
    let (ok, body) = asked
        .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
        .map_err(|words| Failure::Refused(format!("no worker answers at {url}: {words}")))?;
    let parts = serde_json::from_slice::<Report>(&body).map(|report| report.checks).unwrap_or_default();
    for part in &parts {
        println!("{} {:<10} {}", if part.ok { "ok   " } else { "WRONG" }, part.name, part.detail);
    }
    if ok {
        return Ok(());
    }
    let wrong: Vec<&str> = parts.iter().filter(|part| !part.ok).map(|part| part.name.as_str()).collect();
    let of_what = if wrong.is_empty() { String::new() } else { format!(": {}", wrong.join(", ")) };
    Err(Failure::Refused(format!("the worker is not well{of_what}")))
}

/// Whether the answer is a yes, and its body.
async fn ask(config: &Config, url: &str) -> Result<(bool, Bytes), String> {
    let mut request = Request::get(url);
    if let Some(token) = &config.admin.token {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|e| format!("{:#}", anyhow::Error::from(e)))?;
    let ok = answer.status().is_success();
    let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await.map_err(|e| e.to_string())?;
    Ok((ok, body.to_bytes()))
}

/// Where this machine reaches a listener: one on all addresses is on loopback too.
fn reached_at(admin: &Admin) -> SocketAddr {
    let ip = match admin.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, admin.listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8025", "127.0.0.1:8025"),
            ("[::]:8025", "[::1]:8025"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("10.0.0.5:8025", "10.0.0.5:8025"),
        ] {
            let admin = Admin { listen: listen.parse().unwrap(), token: None };
            assert_eq!(reached_at(&admin).to_string(), expected);
        }
    }
}
