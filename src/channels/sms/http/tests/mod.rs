//! What the tests of this channel share: a message.

use chrono::DateTime;

use crate::channels::Sms;
use crate::domain::sms::Encoding;

/// A message of one part.
pub fn sms() -> Sms {
    Sms {
        message_id: "0123456789abcdef0123456789abcdef".to_owned(),
        from: Some("LUMEN".to_owned()),
        to: "+33612345678".to_owned(),
        text: "Bonjour Zoé & co".to_owned(),
        encoding: Encoding::Gsm7,
        segments: 1,
        expires_at: DateTime::UNIX_EPOCH,
        leave_by: DateTime::UNIX_EPOCH,
        customer_id: "c-1".to_owned(),
        rule: "welcome".to_owned(),
        locale: "fr".to_owned(),
        purpose: "marketing".to_owned(),
        trace: None,
    }
}
