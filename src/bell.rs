//! Tells senders of this process that there is something to send, so that nobody waits for the next look at the outbox.
//! Nothing depends on it: the outbox is the truth, and what another worker put there is found by looking.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::domain::consent::Channel;

/// One for each channel. Cheap to clone; clones ring the same.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Bells>);

#[derive(Debug, Default)]
struct Bells {
    email: Notify,
    sms: Notify,
}

impl Bell {
    /// Wakes one sender of the channel, or the next who would go to sleep.
    pub fn ring(&self, channel: Channel) {
        self.of(channel).notify_one();
    }

    /// Waits for the next ring that nobody else hears.
    pub async fn rung(&self, channel: Channel) {
        self.of(channel).notified().await;
    }

    fn of(&self, channel: Channel) -> &Notify {
        match channel {
            Channel::Email => &self.0.email,
            Channel::Sms => &self.0.sms,
        }
    }
}
