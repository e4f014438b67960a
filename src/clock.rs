//! The one place where time is read. Everything else is given its instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Where "now" comes from. Cheap to clone; clones share their time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    Real,
    /// Starts at `start`, runs `speed` times as fast as real time, and stops at `end`: the demo's clock.
    Scaled { start: DateTime<Utc>, began: Instant, speed: f64, end: DateTime<Utc> },
    /// Moves only when told to (microseconds since the epoch): tests.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn scaled(start: DateTime<Utc>, speed: f64, end: Option<DateTime<Utc>>) -> Self {
        Self::Scaled { start, began: Instant::now(), speed, end: end.unwrap_or(DateTime::<Utc>::MAX_UTC) }
    }

    pub fn manual(start: DateTime<Utc>) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.timestamp_micros())))
    }

    /// The present instant, to the microsecond, which is what both databases keep.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the machine's clock is read")]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::Real => Utc::now().trunc_subsecs(6),
            Self::Scaled { start, began, speed, end } => {
                let micros = began.elapsed().as_micros() as f64 * speed;
                start.checked_add_signed(TimeDelta::microseconds(micros as i64)).unwrap_or(*end).min(*end)
            }
            Self::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or(DateTime::UNIX_EPOCH)
            }
        }
    }

    /// The machine's own time whatever this clock shows: for leases, which bound real work.
    pub fn wall(&self) -> DateTime<Utc> {
        Self::Real.now()
    }

    /// Whether this clock has stopped for good.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Scaled { end, .. } if self.now() >= *end)
    }

    /// Moves a manual clock to `to`; the other clocks cannot be moved.
    pub fn set(&self, to: DateTime<Utc>) {
        if let Self::Manual(micros) = self {
            micros.store(to.timestamp_micros(), Ordering::SeqCst);
        }
    }

    /// What this clock shows when `real` time has passed.
    pub fn after(&self, real: Duration) -> DateTime<Utc> {
        let (passes, end) = match self {
            Self::Scaled { speed, end, .. } => (real.mul_f64(*speed), *end),
            Self::Real | Self::Manual(_) => (real, DateTime::<Utc>::MAX_UTC),
        };
        let passes = TimeDelta::from_std(passes).unwrap_or(TimeDelta::MAX);
        self.now().checked_add_signed(passes).unwrap_or(end).min(end).trunc_subsecs(6)
    }

    /// How much real time passes until this clock shows `until`; zero when it already does.
    pub fn real_time_until(&self, until: DateTime<Utc>) -> Duration {
        let left = (until - self.now()).to_std().unwrap_or(Duration::ZERO);
        match self {
            Self::Scaled { speed, .. } => left.div_f64(*speed),
            Self::Real | Self::Manual(_) => left,
        }
    }
}

/// The end of a piece of real work, by two clocks: the steady one, which no correction moves, and the wall's, which goes
/// on while the machine is suspended. It has passed when either says so.
///
/// A timer alone is not enough: a process that was frozen wakes with its socket ready before its timer fires.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    steady: Instant,
    wall: DateTime<Utc>,
}

impl Deadline {
    /// So long from now.
    pub fn after(real: Duration) -> Self {
        let wall = TimeDelta::from_std(real).unwrap_or(TimeDelta::MAX);
        let wall = Clock::Real.now().checked_add_signed(wall).unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { steady: Instant::now() + real, wall }
    }

    pub fn has_passed(&self) -> bool {
        self.comes_within(Duration::ZERO)
    }

    /// Whether less than `real` is left.
    pub fn comes_within(&self, real: Duration) -> bool {
        Instant::now() + real >= self.steady || Clock::Real.after(real) >= self.wall
    }
}
