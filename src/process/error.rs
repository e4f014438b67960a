//! Why facts were not applied, by what the caller does next.

use crate::store::StoreError;

/// Nothing of the batch was committed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is about the database or the program, not about this batch: try it again later.
    #[error(transparent)]
    Store(StoreError),
    /// It fails because of what is in it, or in a row about one of its customers, and will fail again.
    #[error("{0}")]
    Poison(String),
}

impl From<StoreError> for ProcessError {
    fn from(error: StoreError) -> Self {
        if error.is_about_content() { Self::Poison(error.to_string()) } else { Self::Store(error) }
    }
}
