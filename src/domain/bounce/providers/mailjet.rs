//! Mailjet: one event a request, or a list of them. <https://dev.mailjet.com/email/guides/webhooks/>

use serde_json::Value;

use super::super::Kind;
use super::super::notice::Notice;
use super::text;

pub(super) fn notice(event: &Value) -> Option<Notice> {
    let name = text(event, "/event");
    let kind = match name.as_str() {
        "bounce" if event.get("hard_bounce").and_then(Value::as_bool) == Some(true) => Kind::Hard,
        "bounce" | "blocked" => Kind::Soft,
        "spam" => Kind::Complaint,
        _ => return None,
    };
    let words = ["/error_related_to", "/error", "/comment", "/source"].map(|pointer| text(event, pointer));
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let id = format!("mailjet {} {name} {}", text(event, "/MessageID"), text(event, "/time"));
    // Its own number for the message is not ours; ours comes back where it was sent as `X-MJ-CustomID`.
    let notice = Notice::failed(id, "", &words.join(": ")).called(kind);
    Some(notice.about(&text(event, "/CustomID"), &text(event, "/email")))
}
