use declic::domain::customer::Profile;
use declic::store::{Changes, Sweep, SweepState};
use serde_json::json;

use crate::Place;
use crate::samples::{at, begin, profile, texts, write};

pub async fn customers_are_found_by_zone_and_day_in_pages(Place { store, .. }: Place) {
    assert!(store.zones().await.expect("zones").is_empty());
    let born = |zone: &str, day: &str| profile(json!({ "timezone": zone, "birthday": day }));
    let profiles = vec![
        ("c-1".to_owned(), born("Europe/Paris", "1990-02-28")),
        ("c-2".to_owned(), born("Europe/Paris", "1992-02-29")),
        ("c-3".to_owned(), born("Europe/Paris", "1992-03-01")),
        ("c-4".to_owned(), born("America/New_York", "1992-02-28")),
    ];
    write(&store, &["c-1", "c-2", "c-3", "c-4", "c-5"], Changes { profiles, ..Default::default() }).await;
    assert_eq!(store.zones().await.expect("zones"), ["", "America/New_York", "Europe/Paris"]);
    let mut tx = begin(&store).await;
    let days = texts(&["02-28", "02-29"]);
    let paris = "Europe/Paris";
    assert_eq!(tx.customers_with_date("birthday", paris, &days, "", 1).await.expect("find"), ["c-1"]);
    assert_eq!(tx.customers_with_date("birthday", paris, &days, "c-1", 9).await.expect("find"), ["c-2"]);
    assert_eq!(tx.customers_in_zone(Some(paris), "c-1", 1).await.expect("find"), ["c-2"]);
    assert_eq!(tx.customers_in_zone(Some(""), "", 9).await.expect("find"), ["c-5"]);
    assert_eq!(tx.customers_in_zone(None, "c-3", 9).await.expect("find"), ["c-4", "c-5"]);
    tx.rollback().await.expect("rollback");

    // Their profiles are read beside a transaction that is under way.
    let writing = begin(&store).await;
    let mut tx = store.begin_to_read().await.expect("begin");
    let (mut ids, mut last) = (Vec::new(), String::new());
    let take = |id: String, profile: &str| {
        ids.push(id);
        profile.clone_into(&mut last);
    };
    tx.profiles_in_zone(Some(paris), "c-1", 1, take).await.expect("read");
    assert_eq!(ids, ["c-2"]);
    assert_eq!(serde_json::from_str::<Profile>(&last).expect("a profile"), born(paris, "1992-02-29"));
    ids.clear();
    tx.profiles_in_zone(None, "c-3", 9, |id, _: &str| ids.push(id)).await.expect("read");
    assert_eq!(ids, ["c-4", "c-5"]);
    drop(writing);
}

pub async fn a_sweep_is_recorded_once_and_resumed(Place { store, .. }: Place) {
    let sweep = |tick: &str, time, state| Sweep {
        rule: "birthday".into(),
        tick: tick.into(),
        zone: "Europe/Paris".into(),
        planned_at: at(time),
        state,
        cursor: String::new(),
    };
    let mut tx = begin(&store).await;
    assert_eq!(tx.sweep_mark("birthday", "").await.expect("mark"), None);
    tx.set_sweep_mark("birthday", "", at("09:00")).await.expect("set");
    tx.set_sweep_mark("birthday", "", at("08:00")).await.expect("set");
    assert_eq!(tx.sweep_mark("birthday", "").await.expect("mark"), Some(at("09:00")), "never back");
    assert!(tx.add_sweep(&sweep("2026-11-22", "09:00", SweepState::Running)).await.expect("add"));
    assert!(!tx.add_sweep(&sweep("2026-11-22", "09:00", SweepState::Expired)).await.expect("add"));
    assert!(tx.add_sweep(&sweep("2026-11-21", "08:00", SweepState::Running)).await.expect("add"));
    assert!(tx.add_sweep(&sweep("2026-11-20", "07:00", SweepState::Expired)).await.expect("add"));
    tx.commit().await.expect("commit");

    let mut tx = begin(&store).await;
    let mut held = tx.lock_sweep(None).await.expect("lock").expect("one runs");
    assert_eq!(held, sweep("2026-11-21", "08:00", SweepState::Running));
    held.cursor = "c-7".into();
    tx.advance_sweep(&held).await.expect("advance");
    tx.commit().await.expect("commit");

    let mut tx = begin(&store).await;
    let mut held = tx.lock_sweep(None).await.expect("lock").expect("one runs");
    assert_eq!(held.cursor, "c-7");
    let later = sweep("2026-11-22", "09:00", SweepState::Running);
    assert_eq!(tx.lock_sweep(Some(&later)).await.expect("lock").as_ref(), Some(&later), "the one asked for");
    let expired = sweep("2026-11-20", "07:00", SweepState::Expired);
    let other = tx.lock_sweep(Some(&expired)).await.expect("lock").expect("one runs");
    assert_eq!(other.tick, "2026-11-21", "or the oldest");
    held.state = SweepState::Done;
    tx.advance_sweep(&held).await.expect("advance");
    let next = tx.lock_sweep(None).await.expect("lock").expect("the other runs");
    assert_eq!(next.tick, "2026-11-22");
    tx.advance_sweep(&Sweep { state: SweepState::Done, ..next }).await.expect("advance");
    assert_eq!(tx.lock_sweep(None).await.expect("lock"), None);
    tx.commit().await.expect("commit");

    let last = store.sweeps_of("birthday", 2).await.expect("the last");
    let done = |tick: &str, time| sweep(tick, time, SweepState::Done);
    let resumed = Sweep { cursor: "c-7".into(), ..done("2026-11-21", "08:00") };
    assert_eq!(last, [done("2026-11-22", "09:00"), resumed]);
    assert_eq!(store.sweeps_of("monday", 2).await.expect("none"), []);
}
