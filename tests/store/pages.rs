use chrono::{DateTime, TimeDelta, Utc};
use declic::domain::consent::Channel;
use declic::domain::event::UnusableReason;
use declic::domain::message::{Message, MessageState};
use declic::domain::snapshot::PromoCode;
use declic::domain::verdict::Reason;
use declic::operate::Operator;
use declic::store::{ActFilter, Changes, DeadLetter, LetterFilter, MessagePage, MessagesFound, Store};

use crate::Place;
use crate::samples::{LONG, at, claim, message, promo_code, write};

/// Messages of many states, reasons, rules and both channels; `m-1` is the first one planned. Two share an instant.
async fn put(store: &Store) -> Vec<Message> {
    let as_it_is =
        |id: &str, time: &str, state, reason| Message { state, reason, ..message("c-1", id, time) };
    let sms = |message| Message { channel: Channel::Sms, ..message };
    let cart = |message| Message { rule: "cart".to_owned(), ..message };
    let messages = vec![
        as_it_is("m-1", "08:00", MessageState::Pending, None),
        sms(as_it_is("m-2", "08:10", MessageState::Suppressed, Some(Reason::NoConsent))),
        cart(as_it_is("m-3", "08:20", MessageState::Sent, None)),
        as_it_is("m-4", "08:30", MessageState::Deferred, Some(Reason::QuietHours)),
        cart(sms(as_it_is("m-5", "08:40", MessageState::Suppressed, Some(Reason::FrequencyCap)))),
        as_it_is("m-6", "08:50", MessageState::Suppressed, Some(Reason::NoConsent)),
        as_it_is("m-7", "09:00", MessageState::Delivered, None),
        as_it_is("m-8", "09:00", MessageState::Sent, None),
    ];
    write(store, &["c-1"], Changes { messages: messages.clone(), ..Changes::default() }).await;
    let theirs = vec![message("c-2", "n-1", "07:00"), message("c-2", "n-2", "08:55")];
    write(store, &["c-2"], Changes { messages: theirs.clone(), ..Changes::default() }).await;
    [theirs, messages].concat()
}

fn ids(found: &MessagesFound) -> Vec<&str> {
    found.messages.iter().map(|message| message.id.as_str()).collect()
}

/// All that is found, page by page.
async fn all(store: &Store, page: &MessagePage) -> Vec<String> {
    let (mut page, mut all) = (page.clone(), Vec::new());
    loop {
        let found = store.messages_page(&page).await.expect("a page");
        all.extend(ids(&found).into_iter().map(str::to_owned));
        assert!(found.messages.len() <= page.limit as usize);
        page.after = found.next;
        if page.after.is_none() {
            return all;
        }
    }
}

pub async fn a_page_holds_what_is_asked_for(Place { store, .. }: Place) {
    let mut messages = put(&store).await;
    messages.sort_by(|a, b| (b.planned_at, &b.id).cmp(&(a.planned_at, &a.id)));
    let states = MessageState::ALL.iter().copied().map(Some).chain([None]);
    let reasons = [None, Some(Reason::NoConsent), Some(Reason::QuietHours), Some(Reason::FrequencyCap)];
    for state in states {
        for reason in reasons {
            for rule in [None, Some("cart".to_owned()), Some("gone".to_owned())] {
                for channel in [None, Some(Channel::Email), Some(Channel::Sms)] {
                    for customer in [None, Some("c-1".to_owned()), Some("c-2".to_owned())] {
                        let page = MessagePage {
                            state,
                            reason,
                            rule: rule.clone(),
                            channel,
                            customer,
                            limit: 2,
                            ..MessagePage::default()
                        };
                        let fits = |message: &&Message| {
                            state.is_none_or(|state| message.state == state)
                                && reason.is_none_or(|reason| message.reason == Some(reason))
                                && page.rule.as_ref().is_none_or(|rule| message.rule == *rule)
                                && channel.is_none_or(|channel| message.channel == channel)
                                && page
                                    .customer
                                    .as_ref()
                                    .is_none_or(|customer| message.customer_id == *customer)
                        };
                        let expected: Vec<&str> =
                            messages.iter().filter(fits).map(|m| m.id.as_str()).collect();
                        assert_eq!(all(&store, &page).await, expected, "{page:?}");
                    }
                }
            }
        }
    }
}

pub async fn a_page_begins_where_it_is_told_to(Place { store, .. }: Place) {
    put(&store).await;
    let page = MessagePage { limit: 3, ..MessagePage::default() };
    let first = store.messages_page(&page).await.expect("a page");
    assert_eq!(ids(&first), ["m-8", "m-7", "n-2"]);
    assert_eq!(first.next, Some((at("08:55"), "n-2".to_owned())));
    assert_eq!(first.looked_back_to, None);
    let until = MessagePage { until: Some(at("08:20")), ..page.clone() };
    let found = store.messages_page(&until).await.expect("a page");
    assert_eq!(ids(&found), ["m-3", "m-2", "m-1"], "until then, inclusive");
    let next = store.messages_page(&MessagePage { after: found.next, ..until }).await.expect("a page");
    assert_eq!((ids(&next), &next.next), (vec!["n-1"], &None));
    // What comes meanwhile changes nothing of the pages behind.
    write(&store, &["c-3"], Changes { messages: vec![message("c-3", "o-1", "09:30")], ..Changes::default() })
        .await;
    let second = store.messages_page(&MessagePage { after: first.next, ..page }).await.expect("a page");
    assert_eq!(ids(&second), ["m-6", "m-5", "m-4"]);
    // Those in a sender's hands are found by that.
    claim(&store, "09:00", 1, "t", LONG).await;
    let claimed = MessagePage { state: Some(MessageState::Claimed), limit: 3, ..MessagePage::default() };
    assert_eq!(ids(&store.messages_page(&claimed).await.expect("a page")), ["n-1"]);
}

pub async fn a_page_tells_how_far_back_it_looked(place: Place) {
    let store = &place.store;
    // Enough that a window ends among them, and that those waiting are not few.
    let many = |n: i64| Message {
        planned_at: at("10:00") + TimeDelta::seconds(n),
        ..message("c-1", &format!("p-{n:05}"), "10:00")
    };
    for begin in 0..6_i64 {
        let messages = (begin * 2_000..(begin + 1) * 2_000).map(many).collect();
        write(store, &["c-1"], Changes { messages, ..Changes::default() }).await;
    }
    let rare = [("m-1", "09:00"), ("m-2", "09:10")]
        .map(|(id, time)| Message { rule: "cart".into(), ..message("c-1", id, time) });
    write(store, &["c-1"], Changes { messages: rare.to_vec(), ..Changes::default() }).await;
    for state in [None, Some(MessageState::Pending)] {
        let page = MessagePage { rule: Some("cart".to_owned()), state, limit: 5, ..MessagePage::default() };
        let found = store.messages_page(&page).await.expect("a page");
        assert!(found.messages.is_empty());
        let end = at("10:00") + TimeDelta::seconds(2_000);
        assert_eq!((found.looked_back_to, &found.next), (Some(end), &Some((end, "p-02000".to_owned()))));
        let found = store.messages_page(&MessagePage { after: found.next, ..page }).await.expect("a page");
        assert_eq!((ids(&found), &found.next, found.looked_back_to), (vec!["m-2", "m-1"], &None, None));
    }
    let theirs = MessagePage {
        rule: Some("cart".to_owned()),
        customer: Some("c-1".to_owned()),
        limit: 5,
        ..MessagePage::default()
    };
    let found = store.messages_page(&theirs).await.expect("a page");
    assert_eq!(
        (ids(&found), found.looked_back_to),
        (vec!["m-2", "m-1"], None),
        "a customer's are all looked at"
    );
}

pub async fn a_page_shows_what_cannot_be_read_by_its_columns(place: Place) {
    put(&place.store).await;
    let spoil = if place.url.starts_with("postgres") {
        "UPDATE messages SET body = '{}' WHERE id = 'm-7'"
    } else {
        "UPDATE messages SET body = '{' WHERE id = 'm-7'"
    };
    place.raw(spoil).await.expect("spoilt");
    let found =
        place.store.messages_page(&MessagePage { limit: 3, ..MessagePage::default() }).await.expect("a page");
    assert_eq!(ids(&found), ["m-8", "m-7", "n-2"]);
    assert!(found.messages[1].detail.is_some() && found.messages[1].state == MessageState::Delivered);
}

pub async fn acts_and_letters_come_in_pages(Place { store, .. }: Place) {
    let eve = Operator { store: store.clone(), name: "eve".to_owned() };
    for target in ["m-1", "m-2", "m-3"] {
        eve.note("messages show", &[target], None).await.expect("note");
    }
    let acts = async |before| {
        store.acts(&ActFilter { limit: 2, before, ..ActFilter::default() }).await.expect("acts")
    };
    let first = acts(None).await;
    let rest = acts(first.last().map(|act| act.id)).await;
    let targets: Vec<&str> = first.iter().chain(&rest).map(|act| act.target.as_str()).collect();
    assert_eq!((targets, rest.len()), (vec!["m-3", "m-2", "m-1"], 1));
    assert!(acts(rest.last().map(|act| act.id)).await.is_empty());

    assert_eq!(store.dead_letter_count().await.expect("counted"), 0);
    for (id, time) in [("a", "09:00"), ("b", "09:00"), ("c", "10:00")] {
        store.park(&letter(id, at(time))).await.expect("park");
    }
    assert_eq!(store.dead_letter_count().await.expect("counted"), 3);
    let letters = async |before| {
        let filter = LetterFilter { before, ..LetterFilter::default() };
        let found = store.dead_letters(&filter, 2).await.expect("letters");
        found.into_iter().map(|letter| (letter.received_at, letter.id)).collect::<Vec<_>>()
    };
    let first = letters(None).await;
    assert_eq!(first, [(at("10:00"), "c".to_owned()), (at("09:00"), "b".to_owned())]);
    assert_eq!(letters(first.last().cloned()).await, [(at("09:00"), "a".to_owned())]);
    assert!(letters(Some((at("09:00"), "a".to_owned()))).await.is_empty());
}

fn letter(id: &str, received_at: DateTime<Utc>) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        received_at,
        origin: "http".to_owned(),
        reason: UnusableReason::NotJson,
        detail: "no JSON".to_owned(),
        headers: serde_json::json!({}),
        body: Vec::new(),
    }
}

pub async fn a_customer_s_codes_are_told(Place { store, .. }: Place) {
    let other = |code: &str, step: &str| PromoCode { step: step.to_owned(), ..promo_code(code, "c-1") };
    let promo_codes = vec![promo_code("A-1", "c-1"), other("A-2", "later"), promo_code("B-1", "c-2")];
    write(&store, &["c-1", "c-2"], Changes { promo_codes: promo_codes.clone(), ..Changes::default() }).await;
    assert_eq!(store.codes_of("c-1").await.expect("codes"), promo_codes[..2]);
    assert!(store.codes_of("c-3").await.expect("codes").is_empty());
}
