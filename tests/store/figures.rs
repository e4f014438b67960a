use declic::domain::figures::{Figure, Grain, Kind};

use crate::Place;
use crate::samples::at;

fn figure(slot: &str, kind: Kind, rule: &str, what: &str, count: i64) -> Figure {
    let channel = if kind == Kind::Messages { "email" } else { "" };
    Figure {
        slot: at(slot),
        kind,
        rule: rule.to_owned(),
        channel: channel.to_owned(),
        what: what.to_owned(),
        count,
    }
}

fn told(figures: &[Figure]) -> Vec<String> {
    figures.iter().map(ToString::to_string).collect()
}

pub async fn figures_add_up(Place { store, .. }: Place) {
    store.add_figures(&[]).await.expect("nothing");
    let sent = |slot, rule, count| figure(slot, Kind::Messages, rule, "sent", count);
    let first = [
        sent("10:05", "cart", 2),
        sent("10:00", "welcome", 1),
        sent("10:00", "cart", 3),
        figure("10:00", Kind::Messages, "cart", "suppressed:no_consent", 4),
        figure("10:00", Kind::Events, "", "new", 9),
        // The same twice at once.
        sent("10:00", "cart", 1),
    ];
    store.add_figures(&first).await.expect("added");
    store.add_figures(&[sent("10:00", "cart", 10), sent("10:10", "cart", 7)]).await.expect("added");
    let over_time = store.figures_over_time(at("10:00"), at("10:10"), Grain::Slot).await.expect("figures");
    assert_eq!(
        told(&over_time),
        [
            "2026-11-22T10:00Z events //new 9",
            "2026-11-22T10:00Z messages /email/sent 15",
            "2026-11-22T10:00Z messages /email/suppressed:no_consent 4",
            "2026-11-22T10:05Z messages /email/sent 2",
        ]
    );
    let by_rule = store.figures_by_rule(at("10:00"), at("10:15"), Grain::Slot).await.expect("figures");
    assert_eq!(
        told(&by_rule),
        [
            "2026-11-22T10:00Z events //new 9",
            "2026-11-22T10:00Z messages cart/email/sent 23",
            "2026-11-22T10:00Z messages cart/email/suppressed:no_consent 4",
            "2026-11-22T10:00Z messages welcome/email/sent 1",
        ]
    );
    let of_cart = store.figures_of("cart", at("10:05"), at("11:00"), Grain::Slot).await.expect("figures");
    assert_eq!(
        told(&of_cart),
        ["2026-11-22T10:05Z messages cart/email/sent 2", "2026-11-22T10:10Z messages cart/email/sent 7"]
    );
    // By the hour they are the same, added up.
    let by_hour = store.figures_of("cart", at("10:00"), at("11:00"), Grain::Hour).await.expect("figures");
    assert_eq!(
        told(&by_hour),
        [
            "2026-11-22T10:00Z messages cart/email/sent 23",
            "2026-11-22T10:00Z messages cart/email/suppressed:no_consent 4",
        ]
    );
    assert_eq!(
        store.forget_figures(at("10:05")).await.expect("forgotten"),
        8,
        "four slots, and four of the hour"
    );
    assert_eq!(
        store.figures_over_time(at("00:00"), at("23:00"), Grain::Slot).await.expect("figures").len(),
        2
    );
}

pub async fn what_a_newer_build_counts_is_passed_over(place: Place) {
    place.store.add_figures(&[figure("10:00", Kind::Events, "", "new", 1)]).await.expect("added");
    let of_another = "UPDATE figures SET kind = 'something_else'";
    place.raw(of_another).await.expect("changed");
    assert_eq!(
        place.store.figures_over_time(at("00:00"), at("23:00"), Grain::Slot).await.expect("figures"),
        []
    );
}

pub async fn workers_add_at_once(Place { store, .. }: Place) {
    let figures: Vec<Figure> =
        (0..50).map(|n| figure("10:00", Kind::Messages, &format!("rule-{n}"), "sent", 1)).collect();
    let workers = (0..8).map(|worker| {
        let (store, mut figures) = (store.clone(), figures.clone());
        // Each in an order of its own.
        figures.rotate_left(worker * 7 % 50);
        tokio::spawn(async move {
            for _ in 0..5 {
                store.add_figures(&figures).await.expect("no deadlock");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("added");
    }
    let sums = store.figures_by_rule(at("10:00"), at("10:05"), Grain::Slot).await.expect("figures");
    assert_eq!(
        (sums.len(), sums.iter().map(|f| f.count).min(), sums.iter().map(|f| f.count).max()),
        (50, Some(40), Some(40))
    );
}

pub async fn sets_of_rules_are_told_with_their_times(Place { store, .. }: Place) {
    for (hash, time) in [("one", "09:00"), ("two", "10:00"), ("three", "11:00")] {
        store.publish_rule_set(hash, &[], &[], at(time)).await.expect("published");
    }
    let newest = store.rule_sets_published(2).await.expect("sets");
    assert_eq!(newest, [(3, "three".to_owned(), at("11:00")), (2, "two".to_owned(), at("10:00"))]);
}
