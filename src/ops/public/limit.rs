//! How often one client may ask: a bucket of tokens for each address, in memory.
//!
//! It protects the database from whoever walks through pages, and tokens from whoever guesses. What it forgets when the
//! process ends or the table is full only makes it milder.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use tokio::time::Instant;

/// Addresses remembered at most, some 2 MB. A bucket that is full again is forgotten first.
const MOST_CLIENTS: usize = 20_000;

/// The buckets of all clients.
#[derive(Debug)]
pub struct Limit {
    per_minute: u32,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limit {
    /// So many a minute for each client, all at once after a quiet minute; 0 for any number.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: Mutex::default() }
    }

    /// Counts a request; how long to wait where it is one too many.
    pub(super) fn refuses(&self, client: IpAddr) -> Option<Duration> {
        if self.per_minute == 0 {
            return None;
        }
        let (now, size) = (Instant::now(), f64::from(self.per_minute));
        let rate = size / 60.0;
        // A panic while it was held leaves at worst one bucket as it was.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled =
            |bucket: &Bucket| (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * rate).min(size);
        if buckets.len() >= MOST_CLIENTS && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| filled(bucket) < size);
            // More clients at once than we can tell apart: it begins anew rather than refuse those it does not know.
            if buckets.len() >= MOST_CLIENTS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: size, at: now });
        let tokens = filled(bucket);
        let admitted = tokens >= 1.0;
        *bucket = Bucket { tokens: if admitted { tokens - 1.0 } else { tokens }, at: now };
        (!admitted).then(|| Duration::from_secs_f64((1.0 - tokens) / rate))
    }
}

/// Who asks. Behind a proxy of ours, that is on this machine or in a private network, it is whom that one names last in
/// `X-Forwarded-For`; of anybody else the header is a claim and nothing more. An IPv6 customer has a whole /64.
pub(super) fn client(extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    let peer = peer.ip().to_canonical();
    let forwarded = || {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    };
    let ours = match peer {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    };
    let client = if ours { forwarded().unwrap_or(peer) } else { peer };
    Some(match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills() {
        let limit = Limit::new(60);
        let taken = (0..100).filter(|_| limit.refuses(ip("192.0.2.1")).is_none()).count();
        assert_eq!(taken, 60);
        assert!(limit.refuses(ip("192.0.2.2")).is_none(), "another client has its own");
        let wait = limit.refuses(ip("192.0.2.1")).unwrap();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((0..100).filter(|_| limit.refuses(ip("192.0.2.1")).is_none()).count(), 2);
        assert!((0..10_000).all(|_| Limit::new(0).refuses(ip("192.0.2.1")).is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded() {
        let limit = Limit::new(60);
        for n in 0..50_000_u32 {
            assert!(limit.refuses(IpAddr::from(n.to_be_bytes())).is_none());
        }
        assert!(limit.buckets.lock().unwrap().len() <= MOST_CLIENTS);
    }

    #[test]
    fn who_asks() {
        let cases = [
            ("198.51.100.7:1", "", "198.51.100.7"),
            // A stranger may claim anything.
            ("198.51.100.7:1", "203.0.113.9", "198.51.100.7"),
            ("127.0.0.1:1", "", "127.0.0.1"),
            ("127.0.0.1:1", "203.0.113.9", "203.0.113.9"),
            // What the client itself claimed stands before what our proxy saw.
            ("10.0.0.2:1", "192.0.2.66, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.2:1", "nonsense", "10.0.0.2"),
            ("[2001:db8:1:2:3:4:5:6]:1", "", "2001:db8:1:2::"),
            ("[::ffff:198.51.100.7]:1", "", "198.51.100.7"),
            ("[fd00::1]:1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::"),
        ];
        for (peer, forwarded, expected) in cases {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
            let mut headers = HeaderMap::new();
            if !forwarded.is_empty() {
                headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
            }
            assert_eq!(client(&extensions, &headers), Some(ip(expected)), "{peer} {forwarded}");
        }
        assert_eq!(client(&Extensions::new(), &HeaderMap::new()), None);
    }
}
