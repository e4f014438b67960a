//! Brevo: one event a request, or a list of them. <https://developers.brevo.com/docs/transactional-webhooks>

use serde_json::Value;

use super::super::Kind;
use super::super::notice::Notice;
use super::text;

pub(super) fn notice(event: &Value) -> Option<Notice> {
    let name = text(event, "/event");
    let kind = match name.as_str() {
        "hard_bounce" | "invalid_email" => Kind::Hard,
        // What Brevo itself refuses is on a list of its own, for whatever reason.
        "soft_bounce" | "blocked" | "error" => Kind::Soft,
        "spam" | "complaint" => Kind::Complaint,
        _ => return None,
    };
    let message = text(event, "/message-id");
    let id = format!("brevo {message} {name} {} {}", text(event, "/email"), text(event, "/ts_event"));
    Some(Notice::failed(id, "", &text(event, "/reason")).called(kind).about(&message, &text(event, "/email")))
}
