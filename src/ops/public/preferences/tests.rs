use super::super::tests::{CUSTOMER, REACHED, SECRET, Shop};
use super::*;

fn path() -> String {
    path_in(&"0".repeat(32))
}

fn path_in(message: &str) -> String {
    let link = Preferences { customer_id: CUSTOMER.to_owned(), message_id: message.to_owned() };
    format!("/p/{}", link.seal(SECRET))
}

fn checked(body: &str, field: &str) -> bool {
    let (_, rest) = body.split_once(&format!("name=\"{field}\" value=\"on\"")).expect(field);
    rest.starts_with(" checked")
}

#[tokio::test]
async fn what_is_saved_is_shown_again() {
    let shop = Shop::open();
    shop.says("granted", "marketing");
    let page = shop.get(&path()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(checked(&page.body, "email.marketing") && checked(&page.body, "email.service"), "{}", page.body);
    assert!(!checked(&page.body, "email.newsletter"));
    assert!(page.body.contains("The Thursday letter") && page.body.contains("Always sent"));
    assert!(!page.body.contains("email.transactional") && !page.body.contains(CUSTOMER));
    assert!(shop.told().is_empty(), "looking changes nothing");

    let body = format!("seen={}&email.service=on&email.newsletter=on&save=yes", page.seen());
    let saved = shop.post(&path(), &body).await;
    assert_eq!(saved.status, StatusCode::OK);
    assert!(saved.body.contains("role=\"status\"") && saved.body.contains("waiting for your confirmation"));
    let words = [shop.word("marketing"), shop.word("service"), shop.word("newsletter")];
    assert_eq!(words, [Some("withdrawn"), None, Some("pending")], "only what was changed is recorded");
    let told = shop.told();
    assert_eq!(told.len(), 2);
    let newsletter = &told[1].data;
    assert_eq!(newsletter["status"], "granted", "the event says what was said");
    for (field, value) in
        [("source", "preference-centre"), ("words", "The Thursday letter"), ("language", "en")]
    {
        assert_eq!(newsletter[field], value);
    }
    assert!(newsletter["wording"].is_string() && newsletter["shown_at"].is_string());

    let again = shop.get(&path()).await;
    assert!(!checked(&again.body, "email.marketing") && checked(&again.body, "email.newsletter"));
}

#[tokio::test]
async fn a_tick_behind_a_mail_to_ones_own_address_is_a_confirmation() {
    let shop = Shop::open();
    let path = path_in(REACHED);
    let body = format!("seen={}&email.service=on&email.newsletter=on&save=yes", shop.get(&path).await.seen());
    let saved = shop.post(&path, &body).await;
    assert!(saved.status == StatusCode::OK && !saved.body.contains("waiting for your confirmation"));
    assert_eq!(shop.word("newsletter"), Some("granted"));
    let told = shop.told();
    assert_eq!((told.len(), &told[0].data["by_link"]), (1, &true.into()));
    // A withdrawal confirms nothing.
    let body = format!("seen={}&email.service=on&save=yes", saved.seen());
    assert_eq!(shop.post(&path, &body).await.status, StatusCode::OK);
    assert_eq!(shop.word("newsletter"), Some("withdrawn"));
    assert!(shop.told()[1].data["by_link"].is_null());
}

#[tokio::test]
async fn a_page_that_was_overtaken_changes_nothing() {
    let shop = Shop::open();
    shop.says("granted", "marketing");
    let page = shop.get(&path()).await;
    shop.says("withdrawn", "marketing");
    let body = format!("seen={}&email.marketing=on&email.service=on&save=yes", page.seen());
    let answer = shop.post(&path(), &body).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.body.contains("role=\"alert\"") && !checked(&answer.body, "email.marketing"));
    assert!(shop.told().is_empty());
    assert_eq!(shop.word("marketing"), Some("withdrawn"));
    // From the page as it is now, it can be said again.
    let body = format!("seen={}&email.marketing=on&email.service=on&save=yes", answer.seen());
    assert_eq!(shop.post(&path(), &body).await.status, StatusCode::OK);
    assert_eq!(shop.word("marketing"), Some("granted"));
}

#[tokio::test]
async fn everything_can_be_refused_at_once() {
    let shop = Shop::open();
    shop.says("granted", "marketing");
    let answer = shop.post(&path(), "all=yes").await;
    assert_eq!(answer.status, StatusCode::OK);
    for purpose in ["marketing", "service", "newsletter"] {
        assert_eq!(shop.word(purpose), Some("withdrawn"), "{purpose}");
    }
    assert_eq!(shop.word("transactional"), None);
    let told = shop.told().len();
    assert!(shop.post(&path(), "all=yes").await.body.contains("nothing to change"));
    assert_eq!(shop.told().len(), told);
}

#[tokio::test]
async fn what_does_not_ask_changes_nothing() {
    let shop = Shop::open();
    for body in ["", "List-Unsubscribe=One-Click", "email.marketing=on", "save=no", "confirm=yes"] {
        assert_eq!(shop.post(&path(), body).await.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let unseen = shop.post(&path(), "email.marketing=on&save=yes").await;
    assert_eq!(unseen.status, StatusCode::CONFLICT);
    shop.customer.lock().unwrap().erased = true;
    for body in ["all=yes", "save=yes"] {
        assert_eq!(shop.post(&path(), body).await.status, StatusCode::GONE);
    }
    assert_eq!(shop.get(&path()).await.status, StatusCode::GONE);
    assert!(shop.told().is_empty());
}
