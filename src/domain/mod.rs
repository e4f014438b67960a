//! The pure core: events and rules in, verdicts and rendered messages out.
//!
//! Architecture invariant: nothing here does I/O, reads a clock, draws a random number or imports
//! another module of this crate. Everything a decision depends on is in its arguments, which is why
//! the worker, the simulator and the tests cannot disagree.

pub mod consent;
pub mod customer;
pub mod diagnostic;
pub mod event;
pub mod memory;
pub mod message;
pub mod rules;
pub mod templates;
pub mod verdict;
