//! Amazon SES: notifications and published events, in the envelope of Amazon SNS or without it (raw delivery).
//! <https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html>

use serde_json::Value;

use super::super::Kind;
use super::super::notice::Notice;
use super::{Posted, text};

pub(super) fn read(request: &Value) -> Result<Posted, String> {
    match text(request, "/Type").as_str() {
        "SubscriptionConfirmation" => {
            let url = text(request, "/SubscribeURL");
            let of_amazon = url.strip_prefix("https://sns.").and_then(|rest| rest.split('/').next());
            let of_amazon = of_amazon
                .is_some_and(|host| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"));
            if !of_amazon {
                return Err("the address to confirm the subscription at is not Amazon's".to_owned());
            }
            Ok(Posted::Confirm(url))
        }
        "Notification" => {
            let message: Value = serde_json::from_str(&text(request, "/Message"))
                .map_err(|_| "the notification's `Message` is not JSON".to_owned())?;
            Ok(Posted::Notices(notices(&message)))
        }
        _ => Ok(Posted::Notices(notices(request))),
    }
}

fn notices(message: &Value) -> Vec<Notice> {
    let kind = [text(message, "/notificationType"), text(message, "/eventType")].concat();
    let id_of_mail = message_id(message);
    let recipients =
        |pointer: &str| message.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let notice = |feedback: &str, recipient: &Value| {
        let address = text(recipient, "/emailAddress");
        let id = format!("ses {} {address}", text(message, feedback));
        Notice::failed(id, &text(recipient, "/status"), &text(recipient, "/diagnosticCode"))
            .about(&id_of_mail, &address)
    };
    match kind.as_str() {
        "Bounce" => {
            // `Transient` and `Undetermined` have been tried for long enough.
            let kind =
                if text(message, "/bounce/bounceType") == "Permanent" { Kind::Hard } else { Kind::Soft };
            let recipients = recipients("/bounce/bouncedRecipients");
            recipients.iter().map(|recipient| notice("/bounce/feedbackId", recipient).called(kind)).collect()
        }
        "Complaint" if text(message, "/complaint/complaintFeedbackType") != "not-spam" => {
            let recipients = recipients("/complaint/complainedRecipients");
            let complaint = |recipient| notice("/complaint/feedbackId", recipient).called(Kind::Complaint);
            recipients.iter().map(complaint).collect()
        }
        _ => Vec::new(),
    }
}

/// The `Message-ID` of the mail as it was handed over; SES sends it on under another.
fn message_id(message: &Value) -> String {
    let headers = message.pointer("/mail/headers").and_then(Value::as_array);
    let named = |header: &&Value| text(header, "/name").eq_ignore_ascii_case("message-id");
    let header = headers.and_then(|headers| headers.iter().find(named)).map(|header| text(header, "/value"));
    header.unwrap_or_else(|| text(message, "/mail/commonHeaders/messageId"))
}
