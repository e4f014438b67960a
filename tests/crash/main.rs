//! The crash contract of `docs/guarantees.md`, arrow by arrow: a real worker is killed or frozen at each failpoint, on
//! both databases, another goes on, and what becomes of each message is exactly what the contract says.

#[path = "../support/mod.rs"]
mod support;

#[path = "../smpp/smsc.rs"]
#[allow(dead_code, reason = "one message centre serves several tests, each of which uses a part of it")]
mod smsc;

mod frozen;
mod killed;
mod town;
