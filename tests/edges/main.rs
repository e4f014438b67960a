//! The core at its edges: what a decision does when facts come late, twice or too late, when a rule changes under an
//! entry, and laws that hold for whatever happens. Runs without any server; `decisions` has the plain cases.

mod bench;
mod changes;
mod explained;
mod late;
mod laws;
mod offers;
mod ticks;
