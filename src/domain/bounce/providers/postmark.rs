//! Postmark: one record a request. <https://postmarkapp.com/developer/webhooks/bounce-webhook>

use serde_json::Value;

use super::super::Kind;
use super::super::notice::Notice;
use super::text;

pub(super) fn notice(record: &Value) -> Option<Notice> {
    let kind = match (text(record, "/RecordType").as_str(), text(record, "/Type").as_str()) {
        ("SpamComplaint", _) | ("Bounce", "SpamComplaint") => Kind::Complaint,
        ("Bounce", "HardBounce" | "BadEmailAddress") => Kind::Hard,
        (
            "Bounce",
            "SoftBounce" | "Blocked" | "DnsError" | "DMARCPolicy" | "SpamNotification" | "Unknown"
            | "VirusNotification",
        ) => Kind::Soft,
        // Still tried (`Transient`), answers of machines, and whatever is no failure of a mail.
        _ => return None,
    };
    let id = format!("postmark {} {}", text(record, "/ID"), text(record, "/MessageID"));
    let words = [text(record, "/Details"), text(record, "/Description")];
    let words = words.iter().find(|words| !words.is_empty()).cloned().unwrap_or_default();
    // Its own id of the message is not ours; ours comes back where it was sent as metadata.
    let message = text(record, "/Metadata/message_id");
    Some(Notice::failed(id, "", &words).called(kind).about(&message, &text(record, "/Email")))
}
