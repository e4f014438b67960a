//! What every store must do, run on SQLite always and on PostgreSQL with `--features server-tests`.
//!
//! Each test is an async function of a [`Place`]: an empty, migrated database of its own.

mod a_million;
mod aside;
mod bounces;
mod concurrency;
mod customers;
mod encrypted;
mod entries;
mod events;
mod figures;
mod holdings;
mod lanes;
mod ledger;
mod messages;
mod pages;
mod pauses;
mod publishing;
mod restores;
mod retention;
mod samples;
mod schema;
mod search;
mod sms;
#[cfg(feature = "server-tests")]
mod statements;
mod sweeps;

#[cfg(feature = "server-tests")]
#[path = "../support/mod.rs"]
mod support;

use declic::clock::Clock;
use declic::store::Store;

/// A database of one test.
#[derive(Clone)]
pub struct Place {
    pub store: Store,
    pub url: String,
}

impl Place {
    /// The same, with what is written of customers encrypted.
    fn encrypting(self) -> Self {
        Self { store: self.store.encrypting_profiles(true), ..self }
    }

    /// Runs SQL beside the store; returns the database's refusal, if any.
    pub async fn raw(&self, sql: &'static str) -> Result<(), String> {
        let ran = if self.url.starts_with("postgres") {
            let pool = sqlx::PgPool::connect(&self.url).await.expect("connect");
            sqlx::raw_sql(sql).execute(&pool).await.map(drop)
        } else {
            let pool = sqlx::SqlitePool::connect(&self.url).await.expect("connect");
            sqlx::raw_sql(sql).execute(&pool).await.map(drop)
        };
        ran.map_err(|e| e.to_string())
    }

    /// The texts that a query beside the store returns.
    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        if self.url.starts_with("postgres") {
            let pool = sqlx::PgPool::connect(&self.url).await.expect("connect");
            sqlx::query_scalar(sql).fetch_all(&pool).await.expect("rows")
        } else {
            let pool = sqlx::SqlitePool::connect(&self.url).await.expect("connect");
            sqlx::query_scalar(sql).fetch_all(&pool).await.expect("rows")
        }
    }
}

async fn place(url: String) -> Place {
    let store = Store::open(&url, 8).await.expect("open").with_clock(Clock::manual(samples::at("10:00")));
    let store = store.with_secrets([samples::SECRET]);
    store.migrate().await.expect("migrate");
    store.check_schema().await.expect("check the schema");
    Place { store, url }
}

mod on_sqlite {
    use super::Place;

    pub async fn run<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Place) -> F) {
        let folder = std::env::temp_dir().join(format!("declic-store-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("make a folder");
        let place = super::place(format!("sqlite:{}", folder.join("declic.db").display())).await;
        test(place.clone()).await;
        place.store.close().await;
        std::fs::remove_dir_all(folder).expect("remove the folder");
    }
}

#[cfg(feature = "server-tests")]
mod on_postgres {
    use super::Place;
    use super::support::postgres::Postgres;

    pub async fn run<F: Future<Output = ()>>(test: impl FnOnce(Place) -> F) {
        let url = tokio::task::spawn_blocking(|| Postgres::shared().database()).await.expect("a database");
        let place = super::place(url).await;
        test(place.clone()).await;
        place.store.close().await;
    }
}

macro_rules! conformance {
    ($($module:ident :: $test:ident,)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { crate::on_sqlite::run(stringify!($test), crate::$module::$test).await })+
        }
        #[cfg(feature = "server-tests")]
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { crate::on_postgres::run(crate::$module::$test).await })+
        }
        /// All of it, one after the other, but what measures: beside other tests, that would prove nothing.
        #[cfg(feature = "server-tests")]
        async fn every_test_on_both() {
            $(if !stringify!($test).contains("_is_cheap_") {
                // Boxed: the futures of all tests in one would be larger than a stack.
                Box::pin(on_sqlite::run(concat!("again-", stringify!($test)), $module::$test)).await;
                Box::pin(on_postgres::run($module::$test)).await;
            })+
        }
    };
}

conformance! {
    schema::migrating_again_and_at_once_changes_nothing,
    schema::an_unknown_schema_is_refused,
    schema::a_newer_schema_is_accepted_when_it_works_for_this_build,
    schema::a_database_without_tables_is_refused_with_the_command_to_run,
    schema::profiles_are_short_where_no_older_build_may_work,
    schema::a_row_that_cannot_be_read_is_named,
    schema::a_database_tells_of_its_clock_and_of_rights,
    events::an_event_is_new_once,
    events::a_trace_is_kept_until_its_customer_is_erased,
    events::history_is_in_the_order_of_facts,
    events::data_comes_back_as_it_was,
    events::a_rolled_back_transaction_leaves_nothing,
    customers::a_customer_nobody_knew_is_made_empty,
    customers::a_new_customer_s_row_is_made_with_what_is_first_known,
    customers::a_customer_who_is_not_there_cannot_be_written,
    customers::profile_and_ledger_come_back,
    customers::columns_follow_the_profile,
    customers::the_ledger_is_append_only,
    customers::a_suppressed_address_is_known_whatever_its_case,
    customers::an_erased_customer_leaves_no_trace_but_the_ledger,
    customers::an_outcome_after_the_erasure_brings_no_address_back,
    customers::an_erased_customer_can_come_back,
    customers::customers_are_listed_in_pages,
    encrypted::what_is_encrypted_shows_nothing_and_is_found,
    encrypted::both_forms_stand_beside_each_other,
    encrypted::it_is_turned_on_rotated_and_turned_off,
    encrypted::a_row_that_does_not_open_is_named_and_left,
    encrypted::a_pass_goes_on_where_it_was_beside_a_worker,
    ledger::a_fact_is_linked_once_whatever_is_written_again,
    ledger::what_is_altered_put_in_or_taken_out_shows,
    ledger::an_erasure_leaves_the_chain_whole,
    ledger::an_erased_address_is_known_only_by_its_hash,
    ledger::an_address_of_two_customers_is_not_silenced_by_one_erasure,
    ledger::a_letter_that_names_the_erased_goes_with_them,
    bounces::a_report_waits_for_its_message_and_is_settled_once,
    bounces::a_complaint_stands_whatever_is_reported_after_it,
    bounces::soft_bounces_count_by_address,
    bounces::what_names_an_address_only_finds_the_last_mail_to_it,
    bounces::people_see_the_list_and_take_addresses_off_it,
    holdings::all_that_is_held_of_a_customer_is_told,
    holdings::no_table_with_customers_is_left_out,
    entries::entries_are_written_over_and_dropped,
    entries::ended_entries_are_loaded_only_for_the_rules_named,
    entries::due_entries_come_longest_due_first,
    entries::exits_are_found_by_their_messages,
    entries::a_promo_code_belongs_to_one_customer,
    messages::a_message_is_inserted_once,
    messages::due_messages_are_claimed_in_order_and_once,
    messages::a_lease_that_ran_out_is_claimed_again,
    messages::a_message_can_be_claimed_as_it_is_inserted,
    messages::only_the_token_s_holder_moves_a_message,
    messages::a_late_outcome_resolves_an_uncertain_message,
    messages::a_released_message_is_claimed_again,
    messages::messages_are_listed_by_what_they_are,
    messages::counts_tell_what_is_under_way,
    messages::outcomes_leave_the_outbox_when_published,
    pauses::a_pause_lasts_until_it_is_resumed,
    pauses::what_is_set_aside_is_nobody_s_until_its_rule_goes_on,
    pauses::nothing_is_set_aside_after_the_rule_goes_on,
    pauses::an_erasure_reaches_what_is_set_aside,
    pauses::what_an_operator_stops_no_sender_sends,
    pauses::what_goes_again_is_claimed_like_any_other,
    pauses::acts_are_written_down_and_stay,
    sms::a_receipt_finds_its_part_whichever_comes_first,
    sms::parts_settled_at_once_are_seen_by_the_second,
    sms::a_receipt_of_an_older_part_is_not_taken_for_the_new_one_s,
    sms::a_name_that_is_given_anew_belongs_to_the_newest_part,
    sms::customers_are_found_and_suppressed_by_their_number,
    sms::a_customer_is_found_by_the_number_that_was_written_to,
    sms::numbers_are_read_anew_in_batches,
    sms::what_customers_wrote_is_listed_and_forgotten,
    sms::erasure_takes_what_the_customer_wrote,
    sms::what_came_from_a_telephone_is_kept_once,
    sms::slots_count_what_may_have_reached_its_reader,
    lanes::the_urgent_are_claimed_first_within_a_lane_the_longest_due,
    lanes::each_channel_has_its_own_messages,
    lanes::what_is_given_back_keeps_its_place,
    lanes::a_claim_is_cheap_however_many_wait,
    sweeps::customers_are_found_by_zone_and_day_in_pages,
    sweeps::a_sweep_is_recorded_once_and_resumed,
    publishing::the_newest_rule_set_is_active,
    publishing::versions_are_kept,
    publishing::dead_letters_keep_their_bytes,
    publishing::a_setting_is_put_once,
    aside::a_message_that_cannot_be_read_is_claimed_beside_the_others_and_ended,
    aside::only_a_failure_of_ours_is_put_back,
    aside::a_hand_over_that_cannot_be_read_is_settled_too,
    aside::a_receipt_of_a_message_that_cannot_be_read_holds_up_no_other,
    aside::timers_leave_the_scheduler_s_sight_and_come_back,
    aside::an_outcome_that_cannot_be_read_is_told_apart_and_put_back,
    aside::a_sweep_is_moved_on_by_one_only,
    aside::letters_are_found_by_what_they_are,
    aside::a_body_that_is_no_json_is_about_content,
    restores::what_was_forgotten_is_remembered,
    restores::what_waited_is_settled_whoever_held_it,
    restores::the_newest_event_is_the_last_that_came_in,
    restores::a_database_knows_its_place,
    retention::what_is_over_is_archived_and_then_deleted,
    retention::what_comes_too_late_for_the_archive_is_deleted,
    retention::an_archived_customer_comes_back_whole,
    retention::who_asks_that_their_data_be_kept_is_kept,
    retention::an_erasure_takes_the_archive,
    retention::a_ledger_goes_whole_when_its_time_is_over,
    retention::what_could_not_be_used_is_forgotten_when_the_policy_says,
    retention::much_is_taken_in_several_steps,
    retention::several_workers_share_one_walk,
    retention::who_is_held_by_others_is_passed_over,
    pages::a_page_holds_what_is_asked_for,
    pages::a_page_begins_where_it_is_told_to,
    pages::a_page_tells_how_far_back_it_looked,
    pages::a_page_shows_what_cannot_be_read_by_its_columns,
    pages::acts_and_letters_come_in_pages,
    pages::a_customer_s_codes_are_told,
    figures::figures_add_up,
    figures::what_a_newer_build_counts_is_passed_over,
    figures::workers_add_at_once,
    figures::sets_of_rules_are_told_with_their_times,
    search::customers_are_found_by_what_is_whole,
    search::customers_are_found_by_what_ids_begin_with,
    search::customers_are_found_by_what_addresses_begin_with,
    search::an_encrypted_address_is_found_whole_only,
    concurrency::concurrent_claims_give_no_duplicate,
    concurrency::locked_customers_lose_no_update,
    concurrency::overlapping_batches_insert_each_event_once,
    concurrency::due_entries_are_shared_out,
    concurrency::a_rule_set_published_at_once_has_one_generation,
}

/// What must be the same where profiles are encrypted.
macro_rules! conformance_encrypted {
    ($($module:ident :: $test:ident,)+) => {
        mod encrypted_on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let name = concat!("encrypted-", stringify!($test));
                crate::on_sqlite::run(name, |place| crate::$module::$test(place.encrypting())).await
            })+
        }
        #[cfg(feature = "server-tests")]
        mod encrypted_on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { crate::on_postgres::run(|place| crate::$module::$test(place.encrypting())).await })+
        }
    };
}

conformance_encrypted! {
    customers::a_customer_nobody_knew_is_made_empty,
    customers::a_new_customer_s_row_is_made_with_what_is_first_known,
    customers::profile_and_ledger_come_back,
    customers::columns_follow_the_profile,
    customers::a_suppressed_address_is_known_whatever_its_case,
    customers::an_erased_customer_leaves_no_trace_but_the_ledger,
    customers::an_outcome_after_the_erasure_brings_no_address_back,
    customers::an_erased_customer_can_come_back,
    customers::customers_are_listed_in_pages,
    ledger::an_erasure_leaves_the_chain_whole,
    ledger::an_erased_address_is_known_only_by_its_hash,
    ledger::an_address_of_two_customers_is_not_silenced_by_one_erasure,
    ledger::a_letter_that_names_the_erased_goes_with_them,
    bounces::what_names_an_address_only_finds_the_last_mail_to_it,
    holdings::all_that_is_held_of_a_customer_is_told,
    sms::customers_are_found_and_suppressed_by_their_number,
    sms::a_customer_is_found_by_the_number_that_was_written_to,
    sms::numbers_are_read_anew_in_batches,
    sms::erasure_takes_what_the_customer_wrote,
    search::customers_are_found_by_what_is_whole,
    search::customers_are_found_by_what_ids_begin_with,
    sweeps::customers_are_found_by_zone_and_day_in_pages,
    retention::what_is_over_is_archived_and_then_deleted,
    retention::an_archived_customer_comes_back_whole,
    retention::who_asks_that_their_data_be_kept_is_kept,
    retention::an_erasure_takes_the_archive,
    concurrency::locked_customers_lose_no_update,
}

#[tokio::test]
async fn a_database_in_memory_works_too() {
    let Place { store, .. } = place("sqlite::memory:".to_owned()).await;
    let mut tx = store.begin().await.expect("begin");
    tx.lock_customers(&["c-1".to_owned()], &[]).await.expect("lock");
    tx.commit().await.expect("commit");
    assert_eq!(store.customers("", 10).await.expect("list").len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    on_sqlite::run("private", async |place| {
        let path = place.url.strip_prefix("sqlite:").expect("a path");
        for file in [path.to_owned(), format!("{path}-wal")] {
            let mode = std::fs::metadata(&file).expect(&file).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_said_in_words_without_the_password() {
    for (url, words) in [
        ("postgres://app:sesame@127.0.0.1:1/shop", "cannot reach PostgreSQL at 127.0.0.1:1"),
        ("mysql://app:sesame@localhost/shop", "starts with neither"),
        ("postgres://app:sesame@:x/shop", "cannot be read"),
        ("sqlite:/nowhere/at/all/sesame.db", "cannot open the SQLite file"),
    ] {
        let error = Store::open(url, 1).await.expect_err(url).to_string();
        assert!(error.contains(words), "{url}: {error}");
        assert!(!error.contains(":sesame"), "{error}");
    }
}
