//! Conditions (being written).
#[derive(Debug, Clone)]
pub struct Condition;
