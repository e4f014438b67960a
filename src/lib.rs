//! Declic, a marketing-automation trigger worker.
//!
//! A functional core ([`domain`]) decides what is to be sent, to whom, when and why; the shell around
//! it moves events in, keeps state and hands messages to providers. `docs/ARCHITECTURE.md` is the map.

pub mod active;
pub mod app;
pub mod broker;
pub mod channels;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod delivery;
pub mod domain;
pub mod entropy;
pub mod failpoint;
pub mod files;
pub mod guard;
pub mod handoff;
pub mod incoming;
pub mod intake;
pub mod operate;
pub mod ops;
pub mod process;
pub mod publish;
pub mod retention;
pub mod scheduler;
pub mod secret;
pub mod simulate;
pub mod store;
pub mod supervise;
pub mod telemetry;
pub mod trial;
