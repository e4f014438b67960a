//! A long history, simulated group by group on all processors.
//!
//! Invariant: no customer's messages depend on another customer (consent, caps and timers are each one's own, and ticks
//! come by the clock), so that groups can be simulated apart, and it does not matter how customers are grouped.

use std::sync::{Mutex, PoisonError};
use std::thread;

use super::story::{Group, Span};
use super::tally::Tally;
use super::{Line, Simulation};
use crate::active::Active;
use crate::domain::event::Event;

/// What the rules do for the customers of one group: their messages in the order of the output, and what else there was.
pub fn play(active: &Active, public_url: &str, group: &Group, span: Span) -> (Vec<Line>, Tally) {
    let mut simulation = Simulation::new(active, public_url, span.begin);
    group.customers.iter().for_each(|customer| simulation.know_customer(customer.clone()));
    group.known.iter().for_each(|event| simulation.know(event));
    let mut events: Vec<&Event> = group.events.iter().filter(|event| event.time <= span.end).collect();
    events.sort_by(|a, b| a.place().cmp(&b.place()));
    events.into_iter().for_each(|event| simulation.event(event.clone()));
    simulation.run_until(span.end);
    if span.finish {
        simulation.finish();
    }
    simulation.into_lines()
}

/// Plays each group on one of as many threads as there are processors, and hands each result over, in no fixed order.
/// Groups are read as they are needed. The first error ends it.
pub fn each<T, E: Send>(
    groups: impl Iterator<Item = Result<Group, E>> + Send,
    play: impl Fn(&Group) -> T + Sync,
    take: impl FnMut(&Group, T) -> Result<(), E> + Send,
) -> Result<(), E> {
    let (groups, take, failed) = (Mutex::new(groups), Mutex::new(take), Mutex::new(None));
    let work = || {
        loop {
            let next = locked(&groups).next();
            let taken = match next {
                None => return,
                Some(Ok(_)) if locked(&failed).is_some() => return,
                Some(Ok(group)) => {
                    let result = play(&group);
                    (locked(&take))(&group, result)
                }
                Some(Err(error)) => Err(error),
            };
            if let Err(error) = taken {
                locked(&failed).get_or_insert(error);
                return;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// A thread that panics ends the process once the others are done: what it held is not looked at again.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
