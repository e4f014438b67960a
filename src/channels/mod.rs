//! The ways out: what carries a finished message to its reader.
//!
//! A channel is handed a message that has passed `admit` and answers with one [`Answer`]; it keeps no
//! state of its own about messages, never retries across calls and never decides whether a message may
//! go. Called by `delivery` (sending) and by the commands that check the environment.

mod answer;
pub mod capture;
pub mod email;
pub mod limits;
pub mod outcomes;
pub mod sms;
mod trust;

use crate::domain::consent::Channel;
pub use answer::Answer;
pub use capture::{Capture, Captured};
pub use email::{Email, Smtp, SmtpConfig};
pub use limits::Limits;
pub use sms::Sms;
pub use sms::http::{HttpSms, HttpSmsConfig};
pub use sms::smpp::{Smpp, SmppConfig};

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
    /// mail: that is [`Answer::Uncertain`].
    pub async fn send(&self, mail: &Email) -> Answer {
        match self {
            Self::Smtp(smtp) => smtp.send(mail).await,
            Self::Capture(capture) => capture.send(&Parcel::Email(mail.clone())),
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

    /// Says goodbye to the provider. Sends under way still finish; later ones are answered with `Busy`.
    pub async fn close(&self) {
        if let Self::Smtp(smtp) = self {
            smtp.close().await;
        }
    }
}

/// Where SMS goes. Cheap to clone; clones share connections and captured messages.
#[derive(Debug, Clone)]
pub enum SmsChannel {
    /// A real provider, over HTTP.
    Http(HttpSms),
    /// A real provider, over sessions that [`Smpp::run`] keeps up.
    Smpp(Smpp),
    /// Nowhere: kept in memory, shown on a local page.
    Capture(Capture),
}

impl SmsChannel {
    /// Hands over one SMS, all its parts. Ends within the send deadline, whatever the provider does.
    pub async fn send(&self, sms: &Sms) -> Answer {
        match self {
            Self::Http(http) => http.send(sms).await,
            Self::Smpp(smpp) => smpp.send(sms).await,
            Self::Capture(capture) => capture.send(&Parcel::Sms(sms.clone())),
        }
    }

    /// Tries the way to the provider without sending. Both answers are words for the operator.
    pub async fn check(&self) -> Result<String, String> {
        match self {
            Self::Http(http) => http.check().await,
            Self::Smpp(smpp) => smpp.check().await,
            Self::Capture(_) => Ok("captured in memory, nothing leaves this machine".to_owned()),
        }
    }

    /// Says goodbye to the provider.
    pub async fn close(&self) {
        match self {
            Self::Http(http) => http.close().await,
            Self::Smpp(smpp) => smpp.close().await,
            Self::Capture(_) => {}
        }
    }
}

/// A finished message on either channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parcel {
    Email(Email),
    Sms(Sms),
}

impl Parcel {
    pub fn message_id(&self) -> &str {
        match self {
            Self::Email(email) => &email.message_id,
            Self::Sms(sms) => &sms.message_id,
        }
    }

    /// What shows it in a list: the subject, or the text of an SMS.
    pub fn headline(&self) -> &str {
        match self {
            Self::Email(email) => &email.subject,
            Self::Sms(sms) => &sms.text,
        }
    }
}

/// The way out of one channel.
#[derive(Debug, Clone)]
pub enum Outlet {
    Email(EmailChannel),
    Sms(SmsChannel),
}

impl Outlet {
    /// Which messages go this way.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Sms(_) => Channel::Sms,
        }
    }

    /// Hands over one message, within the send deadline.
    pub async fn send(&self, parcel: &Parcel) -> Answer {
        match (self, parcel) {
            (Self::Email(channel), Parcel::Email(email)) => channel.send(email).await,
            (Self::Sms(channel), Parcel::Sms(sms)) => channel.send(sms).await,
            (Self::Email(_), Parcel::Sms(_)) | (Self::Sms(_), Parcel::Email(_)) => {
                Answer::Invalid { detail: "handed to the other channel".to_owned(), bad_address: false }
            }
        }
    }

    /// Says goodbye to the provider.
    pub async fn close(&self) {
        match self {
            Self::Email(channel) => channel.close().await,
            Self::Sms(channel) => channel.close().await,
        }
    }
}
