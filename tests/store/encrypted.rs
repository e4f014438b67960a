//! Customers' rows, encrypted: what the tables show, how they are found, and how rows go from one form to another.

use declic::domain::message::{Message, MessageState};
use declic::store::{Changes, Resealed, Step, Store};
use serde_json::json;

use crate::Place;
use crate::samples::{SECRET, begin, erased, message, profile, texts, write};

const NEW: &[u8] = b"another secret for tests";

/// All that the tables of customers hold, as text.
const CUSTOMERS: &str =
    "SELECT customer_id || ' ' || COALESCE(email, '-') || ' ' || COALESCE(phone, '-') || ' ' ||
     COALESCE(phone_sealed, '-') || ' ' || COALESCE(locale, '-') || ' ' || CAST(profile AS text)
     FROM customers ORDER BY customer_id";
const DATES: &str = "SELECT attribute || ' ' || month_day || ' ' || CAST(year AS text) FROM customer_dates
     ORDER BY customer_id, attribute";

/// What tells who it is; each too long, or with a sign too many, to come about by chance in what is encrypted.
const TRACES: [&str; 7] = ["quatremer", "zoe@", "example.org", "612345678", " 1990", "1990-02", "02-28"];

fn zoe(email: &str) -> Changes {
    let told = profile(json!({ "email": email, "last_name": "Quatremer", "phone": "+33612345678",
        "locale": "fr-FR", "birthday": "1990-02-28" }));
    Changes {
        profiles: vec![("c-1".to_owned(), told)],
        phones: vec![("c-1".to_owned(), Some("+33612345678".to_owned()))],
        ..Changes::default()
    }
}

/// The same of another customer.
fn of(customer: &str, changes: Changes) -> Changes {
    let profiles = changes.profiles.into_iter().map(|(_, profile)| (customer.to_owned(), profile)).collect();
    let phones = changes.phones.into_iter().map(|(_, phone)| (customer.to_owned(), phone)).collect();
    Changes { profiles, phones, ..Changes::default() }
}

async fn traces(place: &Place) -> Vec<String> {
    let all = [place.texts(CUSTOMERS).await, place.texts(DATES).await].concat().join("\n").to_lowercase();
    TRACES.iter().filter(|trace| all.contains(**trace)).map(|trace| (*trace).to_owned()).collect()
}

/// Who is found by all that they can be found by.
async fn found(store: &Store) -> Vec<String> {
    let by_phone = store.customers_by_phone("+33612345678").await.expect("find");
    let mut tx = begin(store).await;
    let by_day = tx.customers_with_date("birthday", "", &texts(&["02-28"]), "", 9).await.expect("find");
    let locked = tx.lock_customers(&by_day, &[]).await.expect("lock");
    tx.rollback().await.expect("rollback");
    for (id, state) in &locked {
        assert_eq!(state.profile.text("last_name"), Some("Quatremer"), "{id}");
    }
    assert_eq!(by_phone, by_day);
    let listed = store.customers("", 9).await.expect("list");
    for row in listed.iter().filter(|row| by_phone.contains(&row.customer_id)) {
        assert_eq!((row.email.as_deref(), row.locale.as_deref()), (Some("zoe@example.org"), Some("fr-FR")));
    }
    by_phone
}

/// Brings all into the configured form; how many were written, and who cannot be read.
async fn reseal(store: &Store) -> Resealed {
    let mut whole = Resealed::default();
    loop {
        match store.reseal(false).await.expect("a page") {
            Step::Page(page) => {
                whole.written += page.written;
                whole.unreadable.extend(page.unreadable);
            }
            Step::Done => return whole,
        }
    }
}

pub async fn what_is_encrypted_shows_nothing_and_is_found(place: Place) {
    let store = place.store.clone().encrypting_profiles(true);
    let sent = Message {
        state: MessageState::Sent,
        address: Some("zoe@example.org".into()),
        ..message("c-1", "m-1", "09:00")
    };
    write(&store, &["c-1", "c-2"], Changes { messages: vec![sent], ..zoe(" Zoe@Example.org") }).await;
    assert_eq!(traces(&place).await, Vec::<String>::new());
    assert!(place.texts(CUSTOMERS).await[0].contains("\"sealed:1:"), "{:?}", place.texts(CUSTOMERS).await);
    assert_eq!(found(&store).await, ["c-1"]);
    assert_eq!(found(&place.store).await, ["c-1"], "also by a worker that does not encrypt");
    let last = store.last_mail_to("ZOE@example.org").await.expect("find").expect("a mail");
    assert_eq!(last.id, "m-1");
    let held = json!(store.holdings("c-1").await.expect("read").expect("known"))["customer"][0].clone();
    assert_eq!(
        (&held["email"], &held["phone"]),
        (&json!("zoe@example.org"), &json!("+33612345678")),
        "{held}"
    );
    assert_eq!(held["profile"]["attributes"]["last_name"][0]["value"], "Quatremer");
    assert!(held.get("phone_sealed").is_none(), "{held}");

    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    assert_eq!(place.texts(CUSTOMERS).await[0], r#"c-1 - - - - {"attributes":{}}"#);
    assert!(found(&store).await.is_empty());
}

pub async fn both_forms_stand_beside_each_other(place: Place) {
    let (plain, sealing) = (&place.store, place.store.clone().encrypting_profiles(true));
    let rotated = sealing.clone().with_secrets([NEW, SECRET]);
    for (customer, store) in [("c-1", plain), ("c-2", &sealing), ("c-3", &rotated)] {
        write(store, &[customer], of(customer, zoe("zoe@example.org"))).await;
    }
    assert_eq!(found(&rotated).await, ["c-1", "c-2", "c-3"]);
    assert_eq!(found(&rotated.clone().encrypting_profiles(false)).await, ["c-1", "c-2", "c-3"]);
    // Of several who share an address, in whatever form, one's erasure does not silence the others.
    for (customer, left) in [("c-2", 0), ("c-1", 0), ("c-3", 1)] {
        write(&rotated, &[customer], Changes { erased: erased(customer), ..Changes::default() }).await;
        let listed = rotated.suppressions(Some("zoe@example.org"), 9).await.expect("list");
        assert_eq!(listed.len(), left, "{customer}");
    }
}

pub async fn it_is_turned_on_rotated_and_turned_off(place: Place) {
    let sealing = place.store.clone().encrypting_profiles(true);
    assert!(!place.store.may_be_encrypted().await.expect("read"));
    write(&place.store, &["c-1", "c-2", "c-3"], zoe("zoe@example.org")).await;
    write(&place.store, &["c-2"], of("c-2", zoe("zoe@example.org"))).await;
    let before = [place.texts(CUSTOMERS).await, place.texts(DATES).await];

    assert_eq!(reseal(&sealing).await, Resealed { written: 2, unreadable: vec![] });
    assert_eq!(traces(&place).await, Vec::<String>::new());
    assert_eq!(found(&sealing).await, ["c-1", "c-2"]);
    assert_eq!(reseal(&sealing).await.written, 0, "all are");
    assert!(place.store.may_be_encrypted().await.expect("read"));

    // A worker writes one with the new secret first; what hangs on it is not forgotten.
    let rotated = sealing.clone().with_secrets([NEW, SECRET]);
    let same = Changes { same_dates: ["c-1".to_owned()].into(), phones: vec![], ..zoe("zoe@example.org") };
    write(&rotated, &["c-1"], same).await;
    assert_eq!(found(&rotated).await, ["c-1", "c-2"]);
    assert_eq!(reseal(&rotated).await.written, 2);
    let alone = sealing.clone().with_secrets([NEW]);
    assert_eq!(found(&alone).await, ["c-1", "c-2"], "the old secret is not needed any more");
    assert_eq!(alone.encrypted_with_unknown_secret().await.expect("read"), None);

    let off = alone.encrypting_profiles(false);
    assert_eq!(reseal(&off).await.written, 2);
    assert_eq!([place.texts(CUSTOMERS).await, place.texts(DATES).await], before, "as it was");
    assert!(!off.may_be_encrypted().await.expect("read"));
}

pub async fn a_row_that_does_not_open_is_named_and_left(place: Place) {
    let sealing = place.store.clone().encrypting_profiles(true);
    sealing.note_encryption().await.expect("noted");
    write(&sealing, &["c-1"], zoe("zoe@example.org")).await;
    write(&sealing, &["c-2"], of("c-2", zoe("anna@example.org"))).await;

    // Another's profile in one's own row.
    place
        .raw(
            "UPDATE customers SET profile = (SELECT o.profile FROM customers o WHERE o.customer_id = 'c-1')
             WHERE customer_id = 'c-2'",
        )
        .await
        .expect("swapped");
    let error = sealing.customer("c-2").await.expect_err("not theirs");
    let words = error.to_string();
    assert!(
        error.is_about_content() && words.contains("row c-2") && words.contains("another customer"),
        "{words}"
    );
    assert_eq!(
        sealing.customer("c-1").await.expect("read").expect("known").profile.text("last_name"),
        Some("Quatremer")
    );
    let whole = reseal(&sealing.clone().encrypting_profiles(false)).await;
    assert_eq!((whole.written, whole.unreadable.len()), (1, 1), "{whole:?}");
    assert_eq!(whole.unreadable[0].0, "c-2");

    // A secret that is not there, and there again.
    assert_eq!(reseal(&sealing).await.written, 1);
    let stranger = sealing.clone().with_secrets([NEW]);
    let words = stranger.encrypted_with_unknown_secret().await.expect("read").expect("it does not know");
    assert!(words.contains("c-1") && words.contains("previous_secrets"), "{words}");
    let words = stranger.customer("c-1").await.expect_err("no key").to_string();
    assert!(words.contains("row c-1") && words.contains("previous_secrets"), "{words}");
    assert_eq!(reseal(&stranger).await.unreadable.len(), 2);
    assert!(stranger.encrypted_with_unknown_secret().await.expect("read").is_some(), "it still does not");
    while let Step::Page(_) = stranger.reseal(true).await.expect("a page") {}
    assert_eq!(stranger.encrypted_with_unknown_secret().await.expect("read"), None, "given up");
    let again = sealing.clone().with_secrets([NEW, SECRET]);
    assert_eq!(reseal(&again).await.written, 1, "nothing was lost");
}

pub async fn a_pass_goes_on_where_it_was_beside_a_worker(place: Place) {
    const MANY: usize = 1_200;
    let ids: Vec<String> = (0..MANY).map(|n| format!("c-{n:04}")).collect();
    let named: Vec<&str> = ids.iter().map(String::as_str).collect();
    let count = |n: usize| profile(json!({ "email": format!("c{n}@example.org"), "n": n }));
    let profiles = ids.iter().cloned().enumerate().map(|(n, id)| (id, count(n))).collect();
    write(&place.store, &named, Changes { profiles, ..Changes::default() }).await;
    let sealing = place.store.clone().encrypting_profiles(true);
    let Step::Page(first) = sealing.reseal(false).await.expect("a page") else { panic!("there are more") };
    let again =
        Store::open(&place.url, 2).await.expect("open").with_secrets([SECRET]).encrypting_profiles(true);
    // Beside it others change what it looks at, whatever they find.
    let work = async {
        for n in (0..MANY).step_by(7) {
            let mut tx = begin(&sealing).await;
            let mut known = tx.lock_customers(&ids[n..=n], &[]).await.expect("lock");
            let mut told = known.remove(&ids[n]).expect("known").profile;
            assert_eq!(told, count(n));
            told.attributes.insert("seen".to_owned(), told.attributes["n"].clone());
            let profiles = vec![(ids[n].clone(), told)];
            tx.write(&Changes { profiles, ..Changes::default() }).await.expect("write");
            tx.commit().await.expect("commit");
        }
    };
    let pass = async {
        // Those whom the worker has written in the meantime are in form already.
        let whole = reseal(&again).await;
        assert!(first.written == 500 && whole.written <= MANY - 500, "{first:?} {whole:?}");
    };
    tokio::join!(pass, work);
    assert_eq!(reseal(&again).await, Resealed::default());
    for (n, id) in ids.iter().enumerate() {
        let state = again.customer(id).await.expect("read").expect("known");
        assert_eq!(state.profile.get("n"), Some(&json!(n)));
        assert_eq!(state.profile.get("seen").is_some(), n % 7 == 0, "{id}");
    }
    again.close().await;
}
