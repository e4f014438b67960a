use declic::domain::diagnostic::SourceFile;
use declic::domain::event::UnusableReason;
use declic::store::{DeadLetter, LetterFilter};
use serde_json::{Value, json};

use crate::Place;
use crate::samples::{at, texts};

pub async fn the_newest_rule_set_is_active(Place { store, .. }: Place) {
    assert_eq!(store.active_rule_set().await.expect("active"), None);
    assert_eq!(store.active_generation().await.expect("active"), None);
    let files =
        vec![SourceFile { path: "rules/welcome.yaml".into(), text: "rule: welcome\n# été \"\\".into() }];
    assert_eq!(
        store.publish_rule_set("h1", &files, &texts(&["a", "b"]), at("09:00")).await.expect("publish"),
        1
    );
    assert_eq!(
        store.publish_rule_set("h1", &files, &[], at("09:01")).await.expect("publish"),
        1,
        "the same set"
    );
    assert_eq!(store.publish_rule_set("h2", &[], &texts(&["b"]), at("09:02")).await.expect("publish"), 2);
    let again = store.publish_rule_set("h1", &files, &texts(&["a", "b"]), at("09:03")).await;
    assert_eq!(again.expect("publish"), 3, "back again");
    let since = store.in_force_since().await.expect("since");
    let expected = [("a".to_owned(), at("09:03")), ("b".to_owned(), at("09:00"))];
    assert_eq!(since.into_iter().collect::<Vec<_>>(), expected, "a break begins anew");
    let active = store.active_rule_set().await.expect("active").expect("some");
    assert_eq!((active.generation, active.hash.as_str()), (3, "h1"));
    assert_eq!(active.files, files);
    assert_eq!(store.active_generation().await.expect("active"), Some(3));
}

pub async fn versions_are_kept(Place { store, .. }: Place) {
    let version = |source: &str| ("welcome".to_owned(), "v1".to_owned(), source.to_owned());
    store.save_rule_versions(&[version("first")], at("09:00")).await.expect("save");
    store.save_rule_versions(&[version("second"), version("third")], at("09:00")).await.expect("save");
    store.save_rule_versions(&[], at("09:00")).await.expect("save nothing");
    assert_eq!(store.rule_version("welcome", "v1").await.expect("version").as_deref(), Some("first"));
    assert_eq!(store.rule_version("welcome", "v2").await.expect("version"), None);
    store.save_rule_versions(&[version("first")], at("10:00")).await.expect("save later");
    let since = store.rule_versions_since().await.expect("since");
    let expected = (("welcome".to_owned(), "v1".to_owned()), at("09:00"));
    assert_eq!(since.into_iter().collect::<Vec<_>>(), [expected], "since the first time");

    let templates = [("h".to_owned(), json!({ "html": "<p>{{x}}</p>" })), ("n".to_owned(), Value::Null)];
    store.save_template_versions(&templates).await.expect("save");
    store.save_template_versions(&templates).await.expect("save again");
    store.save_template_versions(&[]).await.expect("save nothing");
    assert_eq!(store.template_version("h").await.expect("template"), Some(templates[0].1.clone()));
    assert_eq!(store.template_version("n").await.expect("template"), Some(Value::Null));
    assert_eq!(store.template_version("other").await.expect("template"), None);
}

pub async fn dead_letters_keep_their_bytes(Place { store, .. }: Place) {
    let letter = |id: &str, time| DeadLetter {
        id: id.into(),
        received_at: at(time),
        origin: "declic.events".into(),
        reason: UnusableReason::NotJson,
        detail: "expected value".into(),
        headers: json!({ "content_type": "text/plain" }),
        body: vec![0, 159, 146, 150, b'\\', b'\''],
    };
    for letter in [letter("a", "09:00"), letter("b", "10:00"), letter("a", "11:00")] {
        store.park(&letter).await.expect("park");
    }
    let all = LetterFilter::default();
    let listed = store.dead_letters(&all, 9).await.expect("list");
    assert_eq!(listed, [letter("b", "10:00"), letter("a", "09:00")]);
    assert_eq!(store.dead_letters(&all, 1).await.expect("list").len(), 1);
    let strange = DeadLetter { detail: "a\0b".into(), headers: Value::Null, ..letter("c", "12:00") };
    store.park(&strange).await.expect("park what holds NUL");
    let read = store.dead_letters(&all, 1).await.expect("list").remove(0);
    assert_eq!((read.detail.as_str(), read.headers), ("a\u{fffd}b", Value::Null));
}

pub async fn a_setting_is_put_once(Place { store, .. }: Place) {
    assert_eq!(store.setting("secret").await.expect("setting"), None);
    assert_eq!(store.put_setting_if_absent("secret", "one").await.expect("put"), "one");
    assert_eq!(store.put_setting_if_absent("secret", "two").await.expect("put"), "one");
    assert_eq!(store.setting("secret").await.expect("setting").as_deref(), Some("one"));
}
