//! Dead letters tried again, or thrown away.

use chrono::{DateTime, Utc};

use super::Operator;
use crate::domain::event::{Unusable, UnusableReason};
use crate::intake::decode;
use crate::process::{ProcessError, Processor, Replayed};
use crate::store::{DeadLetter, Parked, StoreError};

impl Operator {
    /// Tries a dead letter again as what it is; the inner error says why it cannot be used still, and is kept with it.
    pub async fn replay(
        &self,
        processor: &Processor,
        letter: &DeadLetter,
        now: DateTime<Utc>,
    ) -> Result<Result<Replayed, Unusable>, StoreError> {
        let done = try_again(processor, letter, now).await?;
        if let Err(Unusable { reason, detail }) = &done {
            self.store.refuse_again(&letter.id, *reason, detail).await?;
        }
        Ok(done)
    }
}

async fn try_again(
    processor: &Processor,
    letter: &DeadLetter,
    now: DateTime<Utc>,
) -> Result<Result<Replayed, Unusable>, StoreError> {
    let done = if let Some(parked) = Parked::of(letter) {
        processor.put_back(&letter.id, &parked).await
    } else if letter.reason == UnusableReason::TooLarge {
        let detail = format!("only the beginning of it is kept here; {}", letter.detail);
        return Ok(Err(Unusable { reason: letter.reason, detail }));
    } else {
        match decode::dead_letter(&letter.headers, &letter.body, now) {
            Ok(event) => processor.replay_event(&letter.id, event).await,
            Err(unusable) => return Ok(Err(unusable)),
        }
    };
    match done {
        Ok(replayed) => Ok(Ok(replayed)),
        Err(ProcessError::Poison(detail)) => Ok(Err(Unusable { reason: UnusableReason::Poison, detail })),
        Err(ProcessError::Store(error)) => Err(error),
    }
}
