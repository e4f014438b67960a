//! Timing (being written).
#[derive(Debug, Clone)]
pub struct Cron;
