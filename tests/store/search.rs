use declic::domain::customer::Profile;
use declic::store::{Changes, Match, Store};
use serde_json::json;

use crate::Place;
use crate::samples::{message, profile, promo_code, write};

async fn put(store: &Store) {
    let known = [
        ("alice", Some("Alice@Example.com"), Some("+33612345678")),
        ("alice-2", Some("alice@elsewhere.example"), None),
        ("bob", Some("bob@example.com"), Some("+33612345678")),
        ("z%_é", None, None),
    ];
    for (customer, email, phone) in known {
        let mut data = serde_json::Map::new();
        data.extend(email.map(|email| ("email".to_owned(), json!(email))));
        let profiles: Vec<(String, Profile)> = vec![(customer.to_owned(), profile(data.into()))];
        let phones = vec![(customer.to_owned(), phone.map(str::to_owned))];
        write(store, &[customer], Changes { profiles, phones, ..Changes::default() }).await;
    }
    let messages = vec![message("bob", "0123456789abcdef0123456789abcdef", "09:00")];
    let promo_codes = vec![promo_code("BDAY-0123-4567-89AB-C", "bob")];
    write(store, &["bob"], Changes { messages, promo_codes, ..Changes::default() }).await;
}

/// Who is found, each with what they were found by beside an id or address.
async fn found(store: &Store, text: &str, phone: Option<&str>, limit: u32) -> Vec<String> {
    let matches = store.find_customers(text, phone, limit).await.expect("found");
    let words = |Match { customer_id, message_id, code }: Match| {
        [Some(customer_id), message_id, code].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    matches.into_iter().map(words).collect()
}

pub async fn customers_are_found_by_what_is_whole(Place { store, .. }: Place) {
    put(&store).await;
    for (text, phone, expected) in [
        ("alice", None, &["alice"][..]),
        (" ALICE@example.com ", None, &["alice"]),
        ("+33 6 12 34 56 78", Some("+33612345678"), &["alice", "bob"]),
        ("0123456789ABCDEF0123456789abcdef", None, &["bob 0123456789abcdef0123456789abcdef"]),
        ("bday-0123-4567-89ab-c", None, &["bob BDAY-0123-4567-89AB-C"]),
        ("BDAY-0123", None, &[]),
        ("nobody", None, &[]),
        ("", None, &[]),
        ("   ", None, &[]),
        ("z%_é", None, &["z%_é"]),
        ("%", None, &[]),
    ] {
        let all = found(&store, text, phone, 10).await;
        // By their address alice-2 begin with the same, where addresses can be read.
        let whole: Vec<&String> = all.iter().filter(|found| *found != "alice-2").collect();
        assert_eq!(whole, expected, "{text}");
    }
    assert_eq!(found(&store, "x", Some("+33612345678"), 1).await, ["alice"]);
    assert!(found(&store, "alice", None, 0).await.is_empty());
    assert_eq!(found(&store, "a\0b", None, 1).await, Vec::<String>::new());
}

pub async fn customers_are_found_by_what_ids_begin_with(Place { store, .. }: Place) {
    put(&store).await;
    assert_eq!(found(&store, "ali", None, 10).await, ["alice", "alice-2"]);
    assert_eq!(found(&store, "ali", None, 1).await, ["alice"]);
    assert_eq!(found(&store, "z%", None, 10).await, ["z%_é"], "nothing of it is a pattern");
    assert_eq!(found(&store, "z_", None, 10).await, Vec::<String>::new());
}

pub async fn customers_are_found_by_what_addresses_begin_with(Place { store, .. }: Place) {
    put(&store).await;
    assert_eq!(found(&store, "Alice@e", None, 10).await, ["alice-2", "alice"]);
    assert_eq!(found(&store, "bob@", None, 10).await, ["bob"]);
    assert_eq!(
        found(&store, "alice", None, 10).await,
        ["alice", "alice-2"],
        "the exact one first, each once"
    );
}

pub async fn an_encrypted_address_is_found_whole_only(place: Place) {
    let store = place.store.encrypting_profiles(true);
    put(&store).await;
    assert_eq!(found(&store, "alice@example.com", None, 10).await, ["alice"]);
    assert_eq!(found(&store, "alice@e", None, 10).await, Vec::<String>::new());
    assert_eq!(found(&store, "hash:", None, 10).await, Vec::<String>::new(), "nor by what it is kept as");
}
