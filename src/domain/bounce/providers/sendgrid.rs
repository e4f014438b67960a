//! Twilio SendGrid: a list of events. <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>

use serde_json::Value;

use super::super::Kind;
use super::super::notice::Notice;
use super::text;

pub(super) fn notice(event: &Value) -> Option<Notice> {
    let field = |name: &str| text(event, &format!("/{name}"));
    let failed =
        Notice::failed(format!("sendgrid {}", field("sg_event_id")), &field("status"), &field("reason"));
    let notice = match (field("event").as_str(), field("type").as_str(), field("reason").as_str()) {
        ("spamreport", ..) | ("dropped", _, "Spam Reporting Address") => failed.called(Kind::Complaint),
        ("dropped", _, "Bounced Address" | "Invalid") => failed.called(Kind::Hard),
        // The receiving server refused this mail, not its reader.
        ("bounce", "blocked", _) => failed.called(Kind::Soft),
        ("bounce", ..) if field("bounce_classification") == "Invalid Address" => failed.called(Kind::Hard),
        ("bounce", ..) => failed,
        _ => return None,
    };
    // `smtp-id` is the Message-ID that the mail was handed over with.
    Some(notice.about(&field("smtp-id"), &field("email")))
}
