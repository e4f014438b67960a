//! A few open connections, used again while they are young.
//!
//! Invariant: a connection is in one place, either idle here or in the hands of one delivery, which holds
//! a permit for as long. There is no check before use: a connection that died meanwhile shows at the next
//! `MAIL FROM`, where nothing is lost yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::config::SmtpConfig;
use super::connection::Connection;

pub struct Pool {
    permits: Arc<Semaphore>,
    size: u32,
    idle: Mutex<Vec<Connection>>,
    longest_idle: Duration,
    most_mails: u32,
}

impl Pool {
    pub fn new(config: &SmtpConfig) -> Self {
        let size = u32::try_from(config.connections.clamp(1, 1000)).unwrap_or(1000);
        Self {
            permits: Arc::new(Semaphore::new(size as usize)),
            size,
            idle: Mutex::default(),
            longest_idle: Duration::from_secs(config.idle_s),
            most_mails: config.mails_per_connection.max(1),
        }
    }

    /// The right to have one connection, or `None` once the pool is closed.
    pub async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// The connection used last, so that those in excess grow old; the old ones are dropped.
    pub fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| connection.idle_since.elapsed() < self.longest_idle);
        idle.pop()
    }

    /// Takes a connection back, between two mails; gives it again when it has done its share.
    pub fn put(&self, mut connection: Connection) -> Option<Connection> {
        if connection.carried >= self.most_mails || self.permits.is_closed() {
            return Some(connection);
        }
        connection.idle_since = Instant::now();
        self.idle().push(connection);
        None
    }

    /// Waits up to `patience` for deliveries under way and gives the idle connections out for good.
    pub async fn close(&self, patience: Duration) -> Vec<Connection> {
        let all = tokio::time::timeout(patience, self.permits.acquire_many(self.size));
        // Late or not, nobody gets a permit from now on.
        let _ = all.await;
        self.permits.close();
        std::mem::take(&mut *self.idle())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
