//! Declic, a marketing-automation trigger worker.
//!
//! A functional core ([`domain`]) decides what is to be sent, to whom, when and why; the shell around
//! it moves events in, keeps state and hands messages to providers. `docs/ARCHITECTURE.md` is the map.

pub mod channels;
pub mod clock;
pub mod config;
pub mod domain;
pub mod intake;
pub mod ops;
pub mod store;
