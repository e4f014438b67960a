//! Requests in the form that each provider documents, with a mail of ours in them.

use serde_json::{Value, json};

use super::super::Kind::{self, Complaint, Hard, Soft};
use super::*;

const OURS: &str = "0123456789abcdef0123456789abcdef";

fn message_id() -> String {
    format!("<{OURS}@shop.example>")
}

/// What each notice is: kind, whether it names our message, address.
fn notices(provider: Provider, body: &Value) -> Vec<(Kind, bool, String)> {
    match read(provider, body.to_string().as_bytes()).unwrap() {
        Posted::Notices(notices) => notices
            .into_iter()
            .map(|n| (n.kind, n.message.as_deref() == Some(OURS), n.address.unwrap()))
            .collect(),
        Posted::Confirm(url) => panic!("{url}"),
    }
}

fn check(provider: Provider, cases: &[(Value, Option<(Kind, bool)>)]) {
    for (body, expected) in cases {
        let expected: Vec<_> =
            expected.iter().map(|(kind, ours)| (*kind, *ours, "alice@example.com".to_owned())).collect();
        assert_eq!(notices(provider, body), expected, "{body}");
    }
}

#[test]
fn brevo() {
    let event = |event: &str| {
        json!({"event": event, "email": "alice@example.com", "id": 26224, "ts_event": 1604933654,
        "message-id": message_id(), "subject": "Bonjour", "reason": "550 user unknown", "tags": ["x"]})
    };
    check(
        Provider::Brevo,
        &[
            (event("hard_bounce"), Some((Hard, true))),
            (event("invalid_email"), Some((Hard, true))),
            (event("soft_bounce"), Some((Soft, true))),
            (event("spam"), Some((Complaint, true))),
            (event("deferred"), None),
            (event("delivered"), None),
            (event("unsubscribed"), None),
        ],
    );
    let both = json!([event("hard_bounce"), event("opened"), event("spam")]);
    assert_eq!(notices(Provider::Brevo, &both).len(), 2, "gathered");
}

#[test]
fn mailgun() {
    let event = |event: &str, severity: &str, reason: &str, code: &str, words: &str| {
        json!({"signature": {"timestamp": "1529006854", "token": "a8ce", "signature": "d222"}, "event-data": {
            "event": event, "severity": severity, "reason": reason, "id": "G9Bn5sl1TC6nu79C8C0bwg",
            "delivery-status": {"code": 550, "enhanced-code": code, "message": words, "description": ""},
            "recipient": "Alice@example.com",
            "message": {"headers": {"message-id": format!("{OURS}@shop.example"), "to": "Alice <alice@example.com>"}}}})
    };
    check(
        Provider::Mailgun,
        &[
            (event("failed", "permanent", "bounce", "5.1.1", "no such user"), Some((Hard, true))),
            (event("failed", "permanent", "bounce", "5.7.1", "looks like spam"), Some((Soft, true))),
            (
                event(
                    "failed",
                    "permanent",
                    "suppress-bounce",
                    "",
                    "Not delivering to previously bounced address",
                ),
                Some((Hard, true)),
            ),
            (event("failed", "permanent", "suppress-unsubscribe", "", ""), None),
            (event("failed", "permanent", "old", "", "Too old"), Some((Soft, true))),
            (event("failed", "temporary", "generic", "4.2.2", "mailbox full"), None),
            (event("complained", "", "", "", ""), Some((Complaint, true))),
            (event("delivered", "", "", "2.0.0", "OK"), None),
            (json!({"event": "failed"}), None),
        ],
    );
}

#[test]
fn mailjet() {
    let event = |event: &str, hard: bool| {
        json!({"event": event, "time": 1430812195, "MessageID": 13792286917004336_u64,
        "email": "alice@example.com", "CustomID": "", "hard_bounce": hard, "blocked": hard,
        "error_related_to": "recipient", "error": "user unknown"})
    };
    check(
        Provider::Mailjet,
        &[
            (event("bounce", true), Some((Hard, false))),
            (event("bounce", false), Some((Soft, false))),
            (event("blocked", false), Some((Soft, false))),
            (event("spam", false), Some((Complaint, false))),
            (event("open", false), None),
        ],
    );
    let own = json!([{"event": "spam", "email": "alice@example.com", "CustomID": OURS, "source": "JMRPP"}]);
    check(Provider::Mailjet, &[(own, Some((Complaint, true)))]);
}

#[test]
fn postmark() {
    let record = |record: &str, kind: &str| {
        json!({"RecordType": record, "Type": kind, "TypeCode": 1,
        "ID": 4323372036854775807_i64, "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Email": "alice@example.com",
        "Description": "The server was unable to deliver your message", "Details": "smtp;550 5.1.1 user unknown"})
    };
    check(
        Provider::Postmark,
        &[
            (record("Bounce", "HardBounce"), Some((Hard, false))),
            (record("Bounce", "SoftBounce"), Some((Soft, false))),
            (record("Bounce", "Transient"), None),
            (record("Bounce", "AutoResponder"), None),
            (record("SpamComplaint", "SpamComplaint"), Some((Complaint, false))),
            (record("Delivery", ""), None),
        ],
    );
}

#[test]
fn sendgrid() {
    let event = |event: &str, kind: &str, reason: &str, class: &str| {
        json!([{"email": "alice@example.com",
        "timestamp": 1513299569, "smtp-id": message_id(), "event": event, "type": kind, "reason": reason,
        "status": "5.0.0", "bounce_classification": class, "sg_event_id": "sg_event_id", "sg_message_id": "x.filter"}])
    };
    check(
        Provider::Sendgrid,
        &[
            (event("bounce", "bounce", "500 unknown recipient", "Invalid Address"), Some((Hard, true))),
            (event("bounce", "bounce", "552 mailbox is full", "Mailbox Unavailable"), Some((Soft, true))),
            (event("bounce", "blocked", "554 your IP is on a block list", "Reputation"), Some((Soft, true))),
            (event("dropped", "", "Bounced Address", ""), Some((Hard, true))),
            (event("dropped", "", "Unsubscribed Address", ""), None),
            (event("spamreport", "", "", ""), Some((Complaint, true))),
            (event("deferred", "", "400 try again later", ""), None),
        ],
    );
}

#[test]
fn ses() {
    let mail = json!({"messageId": "010101860d89bc12-000000", "destination": ["alice@example.com"],
        "headers": [{"name": "Message-ID", "value": message_id()}], "commonHeaders": {"messageId": message_id()}});
    let bounce = |kind: &str| {
        json!({"notificationType": "Bounce", "mail": mail, "bounce": {
        "bounceType": kind, "bounceSubType": "General", "feedbackId": "0101-f",
        "bouncedRecipients": [{"emailAddress": "alice@example.com", "action": "failed", "status": "5.1.1",
            "diagnosticCode": "smtp; 550-5.1.1 The email account that you tried to reach does not exist."}]}})
    };
    let complaint = |feedback: &str| {
        json!({"eventType": "Complaint", "mail": mail, "complaint": {
        "feedbackId": "0101-c", "complaintFeedbackType": feedback,
        "complainedRecipients": [{"emailAddress": "alice@example.com"}]}})
    };
    let enveloped = |message: &Value| {
        json!({"Type": "Notification", "MessageId": "22b8",
        "TopicArn": "arn:aws:sns:eu-west-3:123456789012:bounces", "Message": message.to_string(), "SignatureVersion": "1"})
    };
    check(
        Provider::Ses,
        &[
            (enveloped(&bounce("Permanent")), Some((Hard, true))),
            (bounce("Permanent"), Some((Hard, true))),
            (enveloped(&bounce("Transient")), Some((Soft, true))),
            (enveloped(&complaint("abuse")), Some((Complaint, true))),
            (enveloped(&complaint("not-spam")), None),
            (enveloped(&json!({"notificationType": "Delivery"})), None),
        ],
    );
    let confirm = |url: &str| {
        let body = json!({"Type": "SubscriptionConfirmation", "SubscribeURL": url, "Token": "2336"});
        read(Provider::Ses, body.to_string().as_bytes())
    };
    let url = "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription&Token=2336";
    assert_eq!(confirm(url), Ok(Posted::Confirm(url.to_owned())));
    for other in ["https://sns.evil.example/?x=.amazonaws.com", "http://sns.eu-west-3.amazonaws.com/", ""] {
        assert!(confirm(other).is_err(), "{other}");
    }
}

#[test]
fn what_is_no_request_of_theirs_is_refused_without_being_repeated() {
    for provider in [Provider::Brevo, Provider::Ses, Provider::Sendgrid] {
        for body in [
            "",
            "alice@example.com",
            "7",
            "\"alice@example.com\"",
            "{\"Type\":\"Notification\",\"Message\":\"x\"}",
        ] {
            if let Err(words) = read(provider, body.as_bytes()) {
                assert!(!words.contains("alice"), "{words}");
            }
        }
        assert_eq!(read(provider, b"{}"), Ok(Posted::Notices(Vec::new())));
    }
    let many = format!("[{}{{}}]", "{},".repeat(20_000));
    assert!(read(Provider::Brevo, many.as_bytes()).is_err());
}
