//! From the outbox to the provider: claim, ask the gate again, hand over, record.
//!
//! `dispatch` is the loop; `flow` says how much may go, by token buckets (`bucket`), per recipient domain (`domains`)
//! and not at all while the provider is in trouble (`breaker`). `hand_over` gives a group to the channel and writes down
//! its answers. `pauses` knows what an operator has stopped. `poison` sets aside what always fails.
//!
//! Called by `app`. Decides nothing about what is sent; that is the core's.

pub mod admission;
mod breaker;
mod bucket;
pub mod dispatch;
mod domains;
pub mod flow;
mod hand_over;
pub mod outcomes;
pub mod pauses;
mod poison;
pub mod reclaim;
pub mod record;
mod room;
