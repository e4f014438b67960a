use super::super::tests::{CUSTOMER, SECRET, Shop};
use super::*;
use crate::domain::consent::Channel;

/// The link of a message that was sent at this instant, for 30 days.
fn path(mailed_at: DateTime<Utc>) -> String {
    let link = Confirmation {
        customer_id: CUSTOMER.to_owned(),
        channel: Channel::Email,
        purpose: "newsletter".to_owned(),
        message_id: "0".repeat(32),
        mailed_at,
        expires_at: mailed_at + chrono::TimeDelta::days(30),
    };
    format!("/c/{}", link.seal(SECRET))
}

#[tokio::test]
async fn a_click_confirms_once() {
    let shop = Shop::open();
    let link = path(shop.says("granted", "newsletter"));
    assert_eq!(shop.word("newsletter"), Some("pending"));
    let page = shop.get(&link).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Confirm your sign-up?"), "{}", page.body);
    assert_eq!(shop.post(&link, "List-Unsubscribe=One-Click").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(shop.word("newsletter"), Some("pending"));

    let done = shop.post(&link, "confirm=yes").await;
    assert!(done.status == StatusCode::OK && done.body.contains("<h1>Confirmed</h1>"), "{}", done.body);
    assert_eq!(shop.word("newsletter"), Some("granted"));
    let told = shop.told();
    assert_eq!((told[0].source.as_str(), told[0].data["source"].as_str()), (CONFIRMATION, Some(CONFIRMED.1)));
    assert_eq!(told[0].data["message_id"], "0".repeat(32));

    let again = shop.post(&link, "confirm=yes").await;
    assert!(again.status == StatusCode::OK && again.body.contains("Already confirmed"));
    assert_eq!(shop.told().len(), 1);
}

#[tokio::test]
async fn a_refusal_since_the_message_wins() {
    let shop = Shop::open();
    let link = path(shop.says("granted", "newsletter"));
    shop.says("withdrawn", "newsletter");
    for ask in ["", "confirm=yes"] {
        let answer = if ask.is_empty() { shop.get(&link).await } else { shop.post(&link, ask).await };
        assert!(answer.status == StatusCode::GONE && answer.body.contains("no longer signs you up"));
        assert!(answer.body.contains("href=\"../p/"), "the way to all choices");
    }
    // Asked for again, the new message confirms and the old one does not.
    let newer = path(shop.says("granted", "newsletter"));
    assert_eq!(shop.post(&link, "confirm=yes").await.status, StatusCode::GONE);
    assert!(shop.told().is_empty());
    assert_eq!(shop.post(&newer, "confirm=yes").await.status, StatusCode::OK);
    assert_eq!(shop.word("newsletter"), Some("granted"));
}

#[tokio::test]
async fn what_is_over_says_so_and_changes_nothing() {
    let shop = Shop::open();
    let early = path("2026-03-02T09:00:00Z".parse().unwrap());
    let nothing = shop.post(&early, "confirm=yes").await;
    assert!(nothing.status == StatusCode::GONE && nothing.body.contains("nothing to confirm"));
    let link = path(shop.says("granted", "newsletter"));
    shop.pass(30);
    let expired = shop.post(&link, "confirm=yes").await;
    assert!(
        expired.status == StatusCode::GONE && expired.body.contains("ask for it again"),
        "{}",
        expired.body
    );
    shop.customer.lock().unwrap().erased = true;
    let erased = shop.post(&link, "confirm=yes").await;
    assert!(erased.status == StatusCode::GONE && erased.body.contains("has been erased"));
    assert!(shop.told().is_empty());
}
