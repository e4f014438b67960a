use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).unwrap()
}

fn fact(minute: i64, status: ConsentStatus, proof: Value) -> ConsentFact {
    let proof: Map<String, Value> = serde_json::from_value(proof).unwrap();
    ConsentFact {
        channel: Channel::Email,
        purpose: "newsletter".into(),
        status,
        at: at(minute),
        event_source: "/shop".into(),
        event_id: format!("{minute}-{}", status.as_str()),
        shown_at: None,
        said: None,
        proof,
    }
}

/// A fact as a purpose with double opt-in reads it: `granted 5`, `confirmed 9 3` (confirmed at 9 by a mail of 3).
fn parse(text: &str) -> ConsentFact {
    let words: Vec<&str> = text.split(' ').collect();
    let minute = words[1].parse().unwrap();
    let fact = match words[0] {
        "granted" => fact(minute, ConsentStatus::Granted, json!({})),
        "pending" => fact(minute, ConsentStatus::Pending, json!({})),
        "denied" => fact(minute, ConsentStatus::Denied, json!({})),
        "withdrawn" => fact(minute, ConsentStatus::Withdrawn, json!({})),
        "confirmed" => {
            let confirmed = fact(minute, ConsentStatus::Granted, json!({"source": "confirmation-link"}));
            ConsentFact { shown_at: Some(at(words[2].parse().unwrap())), ..confirmed }
        }
        other => panic!("{other}"),
    };
    fact.read(true)
}

fn holds(ledger: &Ledger) -> Option<&'static str> {
    ledger.latest(Channel::Email, "newsletter").map(|fact| fact.status.as_str())
}

#[test]
fn a_grant_waits_for_its_confirmation() {
    let cases = [
        ("granted 1", "pending"),
        ("granted 1, confirmed 5 1", "granted"),
        // The shop's own pending, of the same instant as the mail.
        ("pending 1, confirmed 5 1", "granted"),
        // Told again, it stays confirmed.
        ("granted 1, confirmed 5 1, granted 9", "granted"),
        // Pending meant as such is a step back, which no repetition takes back.
        ("granted 1, confirmed 5 1, pending 9", "pending"),
        ("granted 1, confirmed 5 1, pending 9, granted 10", "pending"),
        // A refusal after the mail stands against its link, whichever becomes known first.
        ("granted 1, withdrawn 3, confirmed 5 1", "withdrawn"),
        ("granted 1, denied 3, confirmed 5 1", "denied"),
        ("granted 1, confirmed 5 1, withdrawn 9", "withdrawn"),
        // Asked for anew, and confirmed by the new mail, not by the old one.
        ("granted 1, withdrawn 3, granted 6", "pending"),
        ("granted 1, withdrawn 3, granted 6, confirmed 7 6", "granted"),
        ("granted 1, withdrawn 3, granted 6, confirmed 7 1", "pending"),
        // A refusal of the instant of the mail is stricter.
        ("withdrawn 1, confirmed 5 1", "withdrawn"),
        ("withdrawn 0, granted 1, confirmed 5 1", "granted"),
    ];
    for (facts, expected) in cases {
        let mut facts: Vec<ConsentFact> = facts.split(", ").map(parse).collect();
        for _ in 0..facts.len() {
            facts.rotate_left(1);
            let mut backwards = facts.clone();
            backwards.reverse();
            assert_eq!(holds(&Ledger(facts.clone())), Some(expected), "{facts:?}");
            assert_eq!(holds(&Ledger(backwards)), Some(expected), "{facts:?}");
        }
    }
}

#[test]
fn what_was_read_is_plain() {
    let read = fact(1, ConsentStatus::Granted, json!({"source": "form"})).read(true);
    assert_eq!((read.status, read.said), (ConsentStatus::Pending, Some(ConsentStatus::Granted)));
    assert_eq!(Value::Object(read.proof), json!({"source": "form"}));
    for (status, double_opt_in) in [(ConsentStatus::Granted, false), (ConsentStatus::Withdrawn, true)] {
        let read = fact(1, status, json!({"source": "form"})).read(double_opt_in);
        assert_eq!((read.status, read.said), (status, None));
    }
}

#[test]
fn the_instant_of_the_words_is_never_later_than_the_grant() {
    let claimed = ConsentFact { shown_at: Some(at(99)), ..fact(5, ConsentStatus::Granted, json!({})) };
    let ledger = Ledger(vec![claimed, fact(7, ConsentStatus::Withdrawn, json!({}))]);
    assert_eq!(holds(&ledger), Some("withdrawn"));
}

fn facts() -> impl Strategy<Value = Vec<ConsentFact>> {
    let one = (0..6usize, 0..8i64, 0..8i64).prop_map(|(kind, minute, shown)| {
        let word = ["granted", "pending", "denied", "withdrawn", "confirmed", "plain"][kind];
        match word {
            "confirmed" => parse(&format!("confirmed {minute} {}", shown.min(minute))),
            "plain" => fact(minute, ConsentStatus::Granted, json!({})),
            word => parse(&format!("{word} {minute}")),
        }
    });
    prop::collection::vec(one, 0..7)
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(known in facts().prop_shuffle(), seed in any::<u64>()) {
        let mut shuffled = known.clone();
        shuffled.sort_by_key(|f| (seed.wrapping_mul(f.at.timestamp().unsigned_abs() + 7), f.status));
        for minute in 0..8 {
            let word = |ledger: &Ledger| ledger.at(Channel::Email, "newsletter", at(minute)).map(|f| f.status);
            prop_assert_eq!(word(&Ledger(known.clone())), word(&Ledger(shuffled.clone())));
        }
    }

    /// Without double opt-in and without the instant of the words: the newest, the strictest on a tie.
    #[test]
    fn plain_words_are_a_maximum(kinds in prop::collection::vec((0..4usize, 0..6i64), 1..7)) {
        use ConsentStatus::{Denied, Granted, Pending, Withdrawn};
        let statuses = [Granted, Pending, Denied, Withdrawn];
        let known: Vec<_> = kinds.iter().map(|(s, m)| fact(*m, statuses[*s], json!({}))).collect();
        let expected = known.iter().map(|f| (f.at, f.status)).max().map(|(_, status)| status.as_str());
        prop_assert_eq!(holds(&Ledger(known)), expected);
    }

    /// Whoever says no after the last words that were shown to them is never written to.
    #[test]
    fn a_refusal_after_the_words_wins(known in facts(), refused in 8..9i64, later in 9..12i64, shown in 0..8i64) {
        let mut known = known;
        known.push(parse(&format!("withdrawn {refused}")));
        known.push(parse(&format!("confirmed {later} {shown}")));
        prop_assert_eq!(holds(&Ledger(known)), Some("withdrawn"));
    }
}
