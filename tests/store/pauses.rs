use declic::domain::consent::Channel;
use declic::domain::message::{Message, MessageState};
use declic::domain::pause::Target;
use declic::domain::verdict::Reason;
use declic::operate::Operator;
use declic::store::{ActFilter, Changes, Store};

use crate::Place;
use crate::samples::{LONG, at, begin, claim, erased, message, write};

fn rule(name: &str) -> Target {
    Target::Rule(name.to_owned())
}

fn operator(store: &Store) -> Operator {
    Operator { store: store.clone(), name: "eve".to_owned() }
}

async fn put(store: &Store, messages: Vec<Message>) {
    write(store, &["c-1"], Changes { messages, ..Default::default() }).await;
}

async fn state(store: &Store, id: &str) -> MessageState {
    store.message(id).await.expect("message").expect("known").state
}

async fn set_aside(store: &Store, token: &str, messages: Vec<Message>) {
    let mut tx = begin(store).await;
    tx.set_aside(token, messages).await.expect("set aside");
    tx.commit().await.expect("commit");
}

pub async fn a_pause_lasts_until_it_is_resumed(Place { store, .. }: Place) {
    let eve = operator(&store);
    assert!(eve.pause(&rule("welcome"), Some("wrong link")).await.expect("pause"));
    assert!(!eve.pause(&rule("welcome"), Some("later")).await.expect("pause"), "it lasts already");
    let pause = store.pauses().await.expect("pauses").remove(0);
    assert_eq!((pause.by.as_str(), pause.why.as_deref()), ("eve", Some("wrong link")));
    assert_eq!((pause.since, pause.resumed_at), (at("10:00"), None));
    assert!(eve.resume(&rule("welcome")).await.expect("resume"));
    assert!(!eve.resume(&rule("welcome")).await.expect("resume"), "it is over already");
    assert!(!eve.resume(&Target::Everything).await.expect("resume"), "it never was");
    assert_eq!(store.pauses().await.expect("pauses")[0].resumed_at, Some(at("10:00")));
    assert!(eve.pause(&rule("welcome"), None).await.expect("pause"), "and it can begin anew");
    let pause = store.pauses().await.expect("pauses").remove(0);
    assert_eq!((pause.resumed_at, pause.why), (None, None));
}

pub async fn what_is_set_aside_is_nobody_s_until_its_rule_goes_on(Place { store, .. }: Place) {
    let other = Message { rule: "birthday".into(), ..message("c-1", "m-2", "09:00") };
    put(&store, vec![message("c-1", "m-1", "09:00"), other]).await;
    let eve = operator(&store);
    eve.pause(&rule("welcome"), None).await.expect("pause");
    let claimed = claim(&store, "10:00", 10, "t-1", LONG).await;
    set_aside(&store, "t-1", claimed).await;
    assert_eq!(state(&store, "m-1").await, MessageState::Paused);
    assert_eq!(state(&store, "m-2").await, MessageState::Pending, "its rule goes on: it is given back");
    assert_eq!(claim(&store, "23:00", 10, "t-2", LONG).await.len(), 1);
    assert_eq!(store.messages_of(&rule("welcome")).await.expect("count"), (1, 0));
    assert_eq!(store.messages_of(&Target::Channel(Channel::Sms)).await.expect("count"), (0, 0));
    assert_eq!(store.counts(at("10:00")).await.expect("counts").messages[&MessageState::Paused], 1);

    assert_eq!(store.let_go("welcome").await.expect("let go"), 0, "the pause lasts");
    eve.resume(&rule("welcome")).await.expect("resume");
    assert!(store.pauses().await.expect("pauses")[0].holding);
    assert_eq!(store.let_go("welcome").await.expect("let go"), 1);
    assert!(store.pauses().await.expect("pauses")[0].holding, "who let some go may not know of all");
    assert_eq!(store.let_go("welcome").await.expect("let go"), 0);
    assert!(!store.pauses().await.expect("pauses")[0].holding);
    let again = claim(&store, "10:00", 10, "t-3", LONG).await;
    assert_eq!((again[0].id.as_str(), again[0].due_at), ("m-1", at("09:00")), "in its old place");
}

/// A worker that has not heard yet that the rule goes on must leave nothing behind.
pub async fn nothing_is_set_aside_after_the_rule_goes_on(Place { store, .. }: Place) {
    put(&store, vec![message("c-1", "m-1", "09:00")]).await;
    let eve = operator(&store);
    eve.pause(&rule("welcome"), None).await.expect("pause");
    let claimed = claim(&store, "10:00", 10, "t-1", LONG).await;
    eve.resume(&rule("welcome")).await.expect("resume");
    assert_eq!(store.let_go("welcome").await.expect("let go"), 0);
    set_aside(&store, "t-1", claimed).await;
    assert_eq!(state(&store, "m-1").await, MessageState::Pending);
}

pub async fn an_erasure_reaches_what_is_set_aside(Place { store, .. }: Place) {
    put(&store, vec![message("c-1", "m-1", "09:00")]).await;
    operator(&store).pause(&rule("welcome"), None).await.expect("pause");
    let claimed = claim(&store, "10:00", 10, "t-1", LONG).await;
    set_aside(&store, "t-1", claimed).await;
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;
    let message = store.message("m-1").await.expect("message").expect("known");
    assert_eq!((message.state, message.reason), (MessageState::Suppressed, Some(Reason::CustomerDeleted)));
}

pub async fn what_an_operator_stops_no_sender_sends(Place { store, .. }: Place) {
    put(&store, vec![message("c-1", "m-1", "09:00"), message("c-1", "m-2", "09:00")]).await;
    let claimed = claim(&store, "10:00", 10, "t-1", LONG).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.mark_sending("t-1", &claimed[1..]).await.expect("mark"), ["m-2"]);
    tx.commit().await.expect("commit");
    let ids = ["m-1", "m-2", "m-3"].map(str::to_owned);
    let acted = operator(&store).cancel(&ids, at("10:00")).await.expect("cancel");
    assert_eq!(acted.done, ["m-1"]);
    let why: Vec<(&str, &str)> = acted.refused.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    assert_eq!(why, [("m-3", "there is no such message"), ("m-2", "it is being handed over")]);
    let mut tx = begin(&store).await;
    assert!(
        tx.mark_sending("t-1", &claimed[..1]).await.expect("mark").is_empty(),
        "its sender comes too late"
    );
    tx.commit().await.expect("commit");
    let told = store.unpublished_outcomes(10).await.expect("outcomes");
    assert_eq!(told.outcomes[0].id, "m-1-suppressed");
}

pub async fn what_goes_again_is_claimed_like_any_other(Place { store, .. }: Place) {
    let failed = |id: &str| Message {
        state: MessageState::Failed,
        reason: Some(Reason::RetriesExhausted),
        attempts: 50,
        ..message("c-1", id, "09:00")
    };
    let replaced = Message { fallback: Some("by-sms".into()), step: "other".into(), ..failed("m-2") };
    let in_its_place = replaced.fall_back(at("10:00")).expect("a fallback");
    put(&store, vec![failed("m-1"), replaced, in_its_place.clone()]).await;
    let eve = operator(&store);
    let acted = eve.retry(&["m-1", "m-2"].map(str::to_owned), false, at("10:00")).await.expect("retry");
    assert_eq!(acted.done, ["m-1"]);
    assert!(acted.refused[0].1.contains(&in_its_place.id), "{acted:?}");
    let claimed = claim(&store, "10:00", 10, "t-1", LONG).await;
    assert_eq!((claimed[0].id.as_str(), claimed[0].attempts), ("m-1", 0));
    let acted = eve.retry(&["m-1".to_owned()], false, at("10:00")).await.expect("retry");
    assert_eq!(acted.refused[0].1, "it is claimed, and goes by itself");
}

pub async fn acts_are_written_down_and_stay(place: Place) {
    let (store, eve) = (place.store.clone(), operator(&place.store));
    put(&store, vec![message("c-1", "m-1", "09:00")]).await;
    eve.pause(&Target::Everything, Some("the provider is ill")).await.expect("pause");
    eve.cancel(&["m-1".to_owned(), "unknown".to_owned()], at("10:00")).await.expect("cancel");
    eve.note("customers erasure", &["c-1"], None).await.expect("note");
    let acts = store.acts(&ActFilter::default()).await.expect("acts");
    let told: Vec<_> =
        acts.iter().map(|a| (a.action.as_str(), a.target.as_str(), a.detail.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("customers erasure", "c-1", None),
            ("messages cancel", "m-1", None),
            ("pause", "everything", Some("the provider is ill")),
        ]
    );
    assert!(acts.iter().all(|act| act.actor == "eve" && act.at == at("10:00")));
    let filter = ActFilter { targets: vec!["m-1".to_owned()], ..ActFilter::default() };
    assert_eq!(store.acts(&filter).await.expect("acts").len(), 1);
    for change in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
        assert!(place.raw(change).await.expect_err("refused").contains("append-only"), "{change}");
    }
}
