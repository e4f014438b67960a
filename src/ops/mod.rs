//! What the worker shows: the public page behind unsubscribe links, what providers call, and the operator's
//! listener with metrics and health, into which the composition root puts the console.
//!
//! Two routers for two listeners, so that nothing meant for the operator can be reached from outside by a
//! forgotten setting. Nothing here decides or stores: what a request needs is given as a closure by the
//! composition root. Pages are rendered on the server and set no cookie; none but the preview of `declic preview`,
//! which is no part of the worker, needs JavaScript.

pub mod admin;
pub mod health;
pub mod hooks;
pub mod page;
pub mod preview;
pub mod public;

pub use page::escape;
