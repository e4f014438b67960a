//! How handing one message over has ended, in words that all channels share.

use std::time::Duration;

/// What a provider's answer means for the message, the address and the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The provider took it. `ids`: its own names for it, one for each part of a long SMS, by which it reports
    /// later what became of it; none where it never reports.
    Accepted { reply: String, ids: Vec<String> },
    /// Certainly not accepted, and worth another attempt: the provider asks to try this message later.
    Retry { reply: String },
    /// Certainly not accepted, through no fault of the message: the provider cannot be reached, closes the
    /// connection before the message was complete, or asks us to slow down. The next message would fare no better
    /// just now. Costs the message no attempt.
    Busy { reply: String },
    /// As `Busy`, and the provider says for how long.
    Wait { reply: String, pause: Duration },
    /// This message will never be accepted. `bad_address`: because nobody lives there, so no other
    /// message to this address will be either.
    Refused { reply: String, bad_address: bool },
    /// The provider does not want us, or we do not trust it; the next message would fare no better until somebody
    /// mends it.
    ProviderRefused { reply: String },
    /// It may have been accepted: a timeout or a loss after the message was complete.
    Uncertain { detail: String },
    /// Never left: the message cannot be built. `bad_address`: because of whom it goes to, not of its words or its
    /// sender.
    Invalid { detail: String, bad_address: bool },
}

impl Answer {
    /// What it means, in one word.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Retry { .. } => "retry",
            Self::Busy { .. } | Self::Wait { .. } => "busy",
            Self::Refused { .. } => "refused",
            Self::ProviderRefused { .. } => "provider_refused",
            Self::Uncertain { .. } => "uncertain",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// The provider's words, or ours about it.
    pub fn words_mut(&mut self) -> &mut String {
        match self {
            Self::Accepted { reply, .. }
            | Self::Retry { reply }
            | Self::Busy { reply }
            | Self::Wait { reply, .. }
            | Self::Refused { reply, .. }
            | Self::ProviderRefused { reply } => reply,
            Self::Uncertain { detail } | Self::Invalid { detail, .. } => detail,
        }
    }
}
