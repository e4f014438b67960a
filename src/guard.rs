//! A guard around the pure core: a panic in it harms the customer or message that it was about, not the worker.
//!
//! What the panic says may quote what a customer wrote, so it is handed back and never printed. Nothing here saves a
//! process that ends in another way, by a stack overflow or an abort. Called by `process` and delivery around every call of
//! the core that looks at one customer, and by the scheduler.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a panic at {place}: {words}")]
pub struct Panic {
    /// Where in the program: file, line and column. Fit for the log.
    pub place: String,
    /// What it said.
    pub words: String,
}

/// Does `work`, or says how it panicked. What it borrows must not be looked at after a panic: it may be half done.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    keep_quiet();
    let outer = GUARDED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    done.map_err(|said| Panic { place: PLACE.take(), words: words(said.as_ref()) })
}

/// Has panics of guarded threads note their place, and leaves all others to whoever looked after them before.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if GUARDED.get() {
                PLACE.set(panic.location().map(ToString::to_string).unwrap_or_default());
            } else {
                before(panic);
            }
        }));
    });
}

fn words(said: &(dyn Any + Send)) -> String {
    let text = said.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| said.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it says nothing".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_words_and_a_place() {
        assert_eq!(catch(|| 7), Ok(7));
        let number = "three".to_owned();
        let panic = catch(|| panic!("no {number}")).expect_err("a panic");
        assert_eq!(panic.words, "no three");
        assert!(panic.place.starts_with("src/guard.rs:"), "{panic}");
        let inner = catch(|| catch(|| panic!("inside")).expect_err("a panic").words);
        assert_eq!(inner.as_deref(), Ok("inside"));
        assert!(!GUARDED.get());
    }
}
