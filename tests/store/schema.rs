use declic::clock::Clock;
use declic::store::{Changes, LetterFilter, Store, StoreError};
use serde_json::json;

use crate::Place;
use crate::samples::{profile, texts, write};

pub async fn migrating_again_and_at_once_changes_nothing(place: Place) {
    assert!(place.store.migrate().await.expect("migrate again").is_empty());
    place
        .raw("DROP TABLE declic_schema; CREATE TABLE keep_me (x text)")
        .await
        .expect("forget that it was migrated");
    // The tables are still there, so migrating anew fails as a whole and leaves no half.
    assert!(place.store.migrate().await.is_err());
    assert!(matches!(place.store.check_schema().await, Err(StoreError::Schema { found: 0, .. })));
}

pub async fn an_unknown_schema_is_refused(place: Place) {
    place.raw("INSERT INTO declic_schema (version, applied_at) VALUES (999, '')").await.expect("update");
    let error = place.store.check_schema().await.expect_err("a newer schema");
    assert!(matches!(error, StoreError::Schema { found: 999, .. }), "{error:?}");
    assert!(error.to_string().contains("newer"), "{error}");
    assert!(matches!(place.store.migrate().await, Err(StoreError::Schema { found: 999, .. })));
}

pub async fn a_newer_schema_is_accepted_when_it_works_for_this_build(place: Place) {
    // What a newer build's migrations leave: the first works for all since 1, the second for itself only.
    place
        .raw("INSERT INTO declic_schema (version, applied_at, works_for) VALUES (998, '', 1)")
        .await
        .expect("a newer schema");
    place.store.check_schema().await.expect("it works for this build");
    assert!(place.store.migrate().await.expect("nothing to do").is_empty());
    assert!(place.store.missing_migrations().await.expect("ask").is_empty());
    place
        .raw(
            "INSERT INTO declic_schema (version, applied_at, works_for) VALUES (999, '', 999), (1000, '', 1)",
        )
        .await
        .expect("newer ones");
    // A later one that would work for this build does not bring back what an earlier one took away.
    for error in [place.store.check_schema().await.err(), place.store.missing_migrations().await.err()] {
        let error = error.expect("refused");
        assert!(matches!(error, StoreError::Schema { found: 1000, works_for: 999, .. }), "{error:?}");
    }
}

pub async fn a_database_without_tables_is_refused_with_the_command_to_run(place: Place) {
    let url = if place.url.starts_with("postgres") {
        place.raw("CREATE SCHEMA other").await.expect("make a schema");
        {
            let joint = if place.url.contains('?') { '&' } else { '?' };
            format!("{}{joint}options=-c%20search_path%3Dother", place.url)
        }
    } else {
        format!("{}.other", place.url)
    };
    let fresh = Store::open(&url, 2).await.expect("open");
    let error = fresh.check_schema().await.expect_err("no tables").to_string();
    assert!(error.contains("declic migrate"), "{error}");
    assert!(matches!(fresh.setting("x").await, Err(StoreError::Schema { found: 0, .. })));

    let all = futures_util::future::join_all((0..6).map(|_| fresh.migrate())).await;
    let applied: usize = all.into_iter().map(|r| r.expect("migrate").len()).sum();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
    let all = std::fs::read_dir(files).expect("the migrations").count();
    assert_eq!(applied, all, "one migrates, the others find nothing to do");
    fresh.check_schema().await.expect("migrated");
    assert!(fresh.missing_migrations().await.expect("ask").is_empty());
    fresh.close().await;
}

pub async fn profiles_are_short_where_no_older_build_may_work(place: Place) {
    let told = |customer: &str| Changes {
        profiles: vec![(customer.to_owned(), profile(json!({ "city": "Lyon", "email": "zoe@example.org" })))],
        ..Changes::default()
    };
    write(&place.store, &["c-1"], told("c-1")).await;
    // As a database that an older build has made: it reads profiles in full only.
    place.raw("UPDATE declic_schema SET works_for = 3 WHERE version = 14").await.expect("update");
    place.store.check_schema().await.expect("it works for this build too");
    write(&place.store, &["c-2"], told("c-2")).await;
    let stored = place.texts("SELECT CAST(profile AS text) FROM customers ORDER BY customer_id").await;
    assert!(stored[0].starts_with(r#"{"stamps":[["#), "{}", stored[0]);
    assert!(stored[1].starts_with(r#"{"attributes":{"#), "{}", stored[1]);
    let known = place.store.customers_known(&texts(&["c-1", "c-2"])).await.expect("read");
    assert_eq!(known["c-1"].profile, known["c-2"].profile);
    assert_eq!(known["c-1"].profile.text("city"), Some("Lyon"));
}

pub async fn a_row_that_cannot_be_read_is_named(place: Place) {
    place
        .raw(
            "INSERT INTO dead_letters (id, received_at, origin, reason, detail, headers, body)
             VALUES ('d-1', '2026-11-22T10:00:00.000000Z', 'http', 'not_a_reason', '', '{}', '')",
        )
        .await
        .expect("insert");
    let error = place.store.dead_letters(&LetterFilter::default(), 9).await.expect_err("an unknown reason");
    assert!(matches!(error, StoreError::Corrupt { table: "dead_letters", .. }), "{error:?}");
    assert!(error.to_string().contains("row d-1, column reason"), "{error}");
    assert!(!error.is_transient());
}

pub async fn a_database_tells_of_its_clock_and_of_rights(Place { store, .. }: Place) {
    let apart = store.database_time().await.expect("its time") - Clock::Real.wall();
    assert!(apart.num_seconds().abs() < 5, "{apart}");
    assert!(store.missing_rights().await.expect("rights").is_empty());
}
