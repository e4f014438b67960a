//! The ways out: what carries a finished message to its reader.
//!
//! A channel is handed a message that has passed `admit` and answers with one [`Outcome`]; it keeps no
//! state of its own about messages, never retries across calls and never decides whether a message may
//! go. Called by `delivery` (sending) and by the commands that check the environment.

pub mod capture;
pub mod email;
pub mod outcomes;

pub use capture::{Capture, Captured};
pub use email::{Email, Outcome, Smtp, SmtpConfig};

/// Where e-mail goes. Cheap to clone; clones share connections and captured mail.
#[derive(Debug, Clone)]
pub enum EmailChannel {
    /// A real provider.
    Smtp(Smtp),
    /// Nowhere: kept in memory, shown on a local page.
    Capture(Capture),
}

impl EmailChannel {
    /// Hands over one e-mail. Ends within the send deadline, whatever the server does.
    ///
    /// Dropping the future early is safe for the channel, but the caller then knows nothing about the
    /// mail: that is [`Outcome::Uncertain`].
    pub async fn send(&self, mail: &Email) -> Outcome {
        match self {
            Self::Smtp(smtp) => smtp.send(mail).await,
            Self::Capture(capture) => capture.send(mail),
        }
    }

    /// Tries the way to the provider without sending: connects, encrypts, signs in. Both answers are words
    /// for the operator.
    pub async fn check(&self) -> Result<String, String> {
        match self {
            Self::Smtp(smtp) => smtp.check().await,
            Self::Capture(_) => Ok("captured in memory, nothing leaves this machine".to_owned()),
        }
    }

    /// Says goodbye to the provider. Sends under way still finish; later ones are refused with `Retry`.
    pub async fn close(&self) {
        if let Self::Smtp(smtp) = self {
            smtp.close().await;
        }
    }
}
