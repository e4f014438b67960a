//! However events are lived through (simulated, embedded, in production, told afterwards), the messages are the same.

#[path = "../support/mod.rs"]
mod support;

mod random;
mod shipped;
