//! Word to systemd of how the worker fares (`sd_notify(3)`): ready, stopping, alive. Nothing is said where nobody listens:
//! systemd names its socket in `NOTIFY_SOCKET`, and the watchdog's period in `WATCHDOG_USEC`.

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Both listeners are open and all parts run; `words` are shown by `systemctl status`.
pub(super) fn ready(words: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(words)]);
}

/// Nothing new begins; what is under way is brought to its end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is under way")]);
}

/// Signs of life until told to stop, three in each period of the watchdog (`WatchdogSec=`).
///
/// They come from the threads that do the work: when those hang, the signs end, and systemd starts the worker anew. A
/// database, broker or provider that is away ends no sign, for no restart mends it: `/health` tells of those.
pub(super) async fn signs_of_life(shutdown: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return shutdown.cancelled().await };
    let mut ticks = tokio::time::interval(period / 3);
    loop {
        tokio::select! {
            _ = ticks.tick() => tell(&[NotifyState::Watchdog]),
            () = shutdown.cancelled() => return,
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd (NOTIFY_SOCKET) cannot be told how the worker fares: {error}");
    }
}
