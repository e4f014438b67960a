//! The pure core: events and rules in, verdicts and rendered messages out.
//!
//! Architecture invariant: nothing here does I/O, reads a clock, draws a random number or imports
//! another module of this crate. Everything a decision depends on is in its arguments, which is why
//! the worker, the simulator and the tests cannot disagree.

pub mod admit;
pub mod agreement;
pub mod bounce;
pub mod by_hand;
pub mod caps;
pub mod chain;
pub mod compose;
pub mod consent;
pub mod countries;
pub mod customer;
pub mod decide;
pub mod diagnostic;
pub mod event;
pub mod explain;
pub mod figures;
pub mod fold;
pub mod hex;
pub mod hours;
pub mod memory;
pub mod message;
pub mod outcome;
pub mod pause;
pub mod phone;
pub mod preview;
pub mod promo;
pub mod register;
pub mod restore;
pub mod retention;
pub mod retry;
pub mod rules;
pub mod sending_domain;
pub mod sms;
pub mod snapshot;
pub mod steps;
pub mod templates;
pub mod ticks;
pub mod token;
pub mod trace;
pub mod verdict;
