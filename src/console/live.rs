//! Open pages hear when the worker has looked at what waits (server-sent events, WHATWG HTML §9.2), and fetch themselves
//! anew. The stream carries no data: what a page shows comes by one way only.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;

use super::Console;

/// An event `look` each time, until the worker stops. Its data says nothing, but without any no browser would hear it.
pub(super) async fn looks(
    State(console): State<Console>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (looked, shutdown) = (console.looked, console.shutdown);
    let stream = unfold((looked, shutdown), async |(mut looked, shutdown)| {
        let changed = tokio::select! {
            changed = looked.changed() => changed.is_ok(),
            () = shutdown.cancelled() => false,
        };
        changed.then(|| (Ok(Event::default().event("look").data("now")), (looked, shutdown)))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
