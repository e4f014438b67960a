//! Every statement that was sent, for the test that says which customers each is about. Called by `session` for each;
//! empty, as in every ordinary build, without the cargo feature `statements`.

#[cfg(not(feature = "statements"))]
#[inline(always)]
pub(super) fn note(_sql: &str) {}

#[cfg(feature = "statements")]
pub(super) use kept::note;
#[cfg(feature = "statements")]
pub use kept::seen;

#[cfg(feature = "statements")]
mod kept {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, PoisonError};

    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    pub fn note(sql: &str) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(sql) {
            seen.insert(sql.to_owned());
        }
    }

    /// What this process has sent so far, each statement once.
    pub fn seen() -> Vec<String> {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
