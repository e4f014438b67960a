use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::active::Checked;
use crate::domain::consent::Channel;
use crate::domain::diagnostic::SourceFile;
use crate::domain::message::{Lane, Message, MessageState, message_id};
use crate::store::{Claim, MessageFilter};

fn shelf() -> Shelf {
    let text = crate::domain::rules::policy::EXAMPLE.to_owned();
    let files = [SourceFile { path: "rules/policy.yaml".to_owned(), text }];
    Shelf::new(Checked::new(&files).activate(&files, b"secret".to_vec()))
}

/// A contract's message that has been tried as often as any is.
fn message(at: DateTime<Utc>) -> Message {
    serde_json::from_value(serde_json::json!({
        "id": message_id("r", "c", "o", "s", Channel::Sms), "customer_id": "c", "rule": "r", "version": "1",
        "occurrence": "o", "step": "s", "channel": "sms", "purpose": "transactional", "template": "t",
        "planned_at": at, "expires_at": at + TimeDelta::hours(24), "state": "pending", "reason": null,
        "detail": null, "promo_code": null, "due_at": at, "attempts": 50, "template_hash": null, "locale": null,
        "address": "+33612345678", "reply": null, "sent_at": null, "context": null, "fallback": "t",
    }))
    .unwrap()
}

#[tokio::test]
async fn a_hand_over_that_is_given_up_gives_way_to_the_other_channel() {
    let at: DateTime<Utc> = "2026-11-23T10:00:00Z".parse().unwrap();
    let clock = Clock::manual(at);
    let store = Store::open("sqlite::memory:", 1).await.unwrap().with_clock(clock.clone());
    let store = store.with_secrets([&b"secret"[..]]);
    store.migrate().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.lock_customers(&["c".to_owned()], &[]).await.unwrap();
    tx.write(&Changes { messages: vec![message(at)], ..Changes::default() }).await.unwrap();
    tx.commit().await.unwrap();
    // The lease runs out before anybody has recorded what became of it.
    let lease = Duration::from_secs(1);
    let claim = Claim { channel: Channel::Sms, lanes: &[Lane::Event], limit: 1, now: at, token: "t", lease };
    let claimed = store.claim_messages(&claim).await.unwrap().messages;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.mark_sending("t", &claimed).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
    tokio::time::sleep(lease).await;

    pass(&store, &shelf(), &clock).await.unwrap();
    let mut found: Vec<_> = store
        .messages(&MessageFilter::default())
        .await
        .unwrap()
        .into_iter()
        .map(|message| (message.channel, message.state))
        .collect();
    found.sort();
    assert_eq!(found, [(Channel::Email, MessageState::Pending), (Channel::Sms, MessageState::Failed)]);
}
