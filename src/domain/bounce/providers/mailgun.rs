//! Mailgun: one event a request. <https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks>

use serde_json::Value;

use super::super::Kind;
use super::super::notice::Notice;
use super::text;

pub(super) fn notice(request: &Value) -> Option<Notice> {
    let event = request.get("event-data")?;
    let field = |pointer: &str| text(event, pointer);
    let words = [field("/delivery-status/message"), field("/delivery-status/description")];
    let words = words.iter().find(|words| !words.is_empty()).cloned().unwrap_or_default();
    let status = field("/delivery-status/enhanced-code");
    let failed = Notice::failed(format!("mailgun {}", field("/id")), &status, &words);
    let notice = match (field("/event").as_str(), field("/severity").as_str(), field("/reason").as_str()) {
        ("complained", ..) | ("failed", "permanent", "suppress-complaint") => failed.called(Kind::Complaint),
        ("failed", "permanent", "suppress-bounce") => failed.called(Kind::Hard),
        // Its reader has left Mailgun's list, which says nothing of the address.
        ("failed", "permanent", "suppress-unsubscribe") => return None,
        // Tried for long enough.
        ("failed", "permanent", "old") => failed.called(Kind::Soft),
        // `temporary` is tried again.
        ("failed", "permanent", _) => failed,
        _ => return None,
    };
    Some(notice.about(&field("/message/headers/message-id"), &field("/recipient")))
}
