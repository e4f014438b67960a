//! What somebody whom we trust tells of a mail: the shop by an event, or the provider that took it, by a webhook.

use serde_json::Value;

use super::classes::{self, Status};
use super::{Kind, tidied};
use crate::domain::customer::comparable_address;
use crate::domain::event::Event;

/// The type of the event that tells of a mail that came back.
pub const BOUNCED: &str = "email.bounced";

/// The type of the event that tells of a mail that its reader called unwanted.
pub const COMPLAINED: &str = "email.complained";

/// One mail that came back or was not wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What the teller calls this notice: told twice, it is one.
    pub id: String,
    pub kind: Kind,
    /// RFC 3463, as in `5.1.1`; none where nobody said one.
    pub status: Option<String>,
    /// The server's words, on one line, with every address masked.
    pub detail: String,
    /// The message, where it is told by its own id.
    pub message: Option<String>,
    /// Whom the mail went to.
    pub address: Option<String>,
}

impl Notice {
    /// A failure as a server put it: what it means is read from its code and words.
    pub(super) fn failed(id: String, status: &str, words: &str) -> Self {
        let status = Status::better(Status::find(status), Status::find(words));
        let kind = classes::kind(status, words);
        let (status, detail) = (status.map(|status| status.to_string()), tidied(words));
        Self { id, kind, status, detail, message: None, address: None }
    }

    /// What the teller itself calls it.
    pub(super) fn called(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// About which mail: by an id of any kind, of which only ours counts, and by whom it went to.
    pub(super) fn about(mut self, message_id: &str, address: &str) -> Self {
        self.message = message_of(message_id);
        self.address = Some(comparable_address(address)).filter(|address| address.contains('@'));
        self
    }

    /// What an event tells, if it is one of these. The error says what its sender must mend.
    pub fn of_event(event: &Event) -> Option<Result<Self, String>> {
        let complaint = match event.kind.as_str() {
            BOUNCED => false,
            COMPLAINED => true,
            _ => return None,
        };
        Some(told(event, complaint))
    }
}

fn told(event: &Event, complaint: bool) -> Result<Notice, String> {
    let kind = &event.kind;
    let field = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let (status, detail) = (field("status"), field("detail"));
    let notice = Notice::failed(format!("{} {}", event.source, event.id), status, detail);
    let notice = notice.about(field("message_id"), field("email"));
    if notice.message.is_none() && notice.address.is_none() {
        return Err(format!(
            "`{kind}` does not say which mail: `data.message_id` is the id of our message, or `data.email` the address"
        ));
    }
    if complaint {
        return Ok(notice.called(Kind::Complaint));
    }
    match (field("kind"), status.is_empty() && detail.is_empty()) {
        ("hard", _) => Ok(notice.called(Kind::Hard)),
        ("soft", _) => Ok(notice.called(Kind::Soft)),
        ("", false) => Ok(notice),
        ("", true) => Err(format!(
            "`{kind}` does not say why: `data.kind` is `hard` or `soft`, or `data.status` like `5.1.1` with the server's \
             words in `data.detail`"
        )),
        _ => Err(format!(
            "`data.kind` of `{kind}` is neither `hard` (nobody is there) nor `soft` (not this time)"
        )),
    }
}

/// The id of our message in a `Message-ID`, or by itself.
fn message_of(text: &str) -> Option<String> {
    let text = text.trim();
    super::verp::message_of(text).or_else(|| super::verp::message_of(&format!("{text}@")))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn told(kind: &str, data: Value) -> Option<Result<Notice, String>> {
        Notice::of_event(&Event {
            id: "e-1".to_owned(),
            source: "/mta".to_owned(),
            kind: kind.to_owned(),
            subject: "c-1".to_owned(),
            time: DateTime::UNIX_EPOCH,
            data: data.into(),
            trace: None,
        })
    }

    #[test]
    fn events_say_which_mail_and_why() {
        let id = "0123456789abcdef0123456789abcdef";
        let email = "Alice@example.com";
        let cases = [
            (BOUNCED, json!({"email": email, "kind": "hard"}), Kind::Hard, None),
            (BOUNCED, json!({"email": email, "status": "5.2.2"}), Kind::Soft, None),
            (BOUNCED, json!({"email": email, "detail": "550 no such user"}), Kind::Hard, None),
            (BOUNCED, json!({"message_id": id, "kind": "soft"}), Kind::Soft, Some(id)),
            (COMPLAINED, json!({"message_id": format!("<{id}@shop.example>")}), Kind::Complaint, Some(id)),
            (
                COMPLAINED,
                json!({"message_id": "<another@shop.example>", "email": email}),
                Kind::Complaint,
                None,
            ),
        ];
        for (kind, data, expected, message) in cases {
            let notice = told(kind, data.clone()).unwrap().unwrap();
            assert_eq!((notice.kind, notice.message.as_deref()), (expected, message), "{data}");
            assert!(
                notice.message.is_some() || notice.address.as_deref() == Some("alice@example.com"),
                "{data}"
            );
            assert_eq!(notice.id, "/mta e-1");
        }
    }

    #[test]
    fn what_says_too_little_is_refused_with_what_is_missing() {
        assert_eq!(told("email.opened", json!({})), None);
        for (data, words) in [
            (json!({}), "which mail"),
            (json!({"message_id": "m-1", "email": "alice"}), "which mail"),
            (json!({"email": "alice@example.com"}), "does not say why"),
            (json!({"email": "alice@example.com", "kind": "hart"}), "neither `hard`"),
            (json!("alice@example.com"), "which mail"),
        ] {
            let refused = told(BOUNCED, data.clone()).unwrap().unwrap_err();
            assert!(refused.contains(words), "{data}: {refused}");
        }
    }
}
