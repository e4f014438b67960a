//! From the outbox to the provider: claim, ask the gate again, hand over, record.
//!
//! Called by `app`. Decides nothing about what is sent; that is the core's.

pub mod admission;
pub mod dispatch;
pub mod outcomes;
pub mod reclaim;
pub mod record;
mod room;
