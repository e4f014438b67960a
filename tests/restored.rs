//! The gate after a restore: what may have gone is neither sent nor called unsent, and nothing else is held back.

use chrono::{DateTime, Utc};
use declic::active::Checked;
use declic::domain::admit::{Gate, Question, admit};
use declic::domain::consent::{Channel, ConsentFact, ConsentStatus, Ledger};
use declic::domain::customer::Profile;
use declic::domain::decide;
use declic::domain::diagnostic::SourceFile;
use declic::domain::event::Event;
use declic::domain::message::MessageState;
use declic::domain::outcome::Outcome;
use declic::domain::restore::{Fence, Told};
use declic::domain::rules::book::Book;
use declic::domain::snapshot::{Fact, Snapshot};
use declic::domain::verdict::Reason;
use serde_json::json;

const POLICY: &str = "default_locale: en\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n\
    quiet_hours: { spread: none, rules: [{ channel: email, purpose: marketing, allowed: { mon-sun: \"08:00-20:00\" } }] }\n";
const REMINDER: &str = "rule: reminder\npurpose: marketing\ntrigger: { event: cart }\n\
    steps: [{ promo_code: { prefix: P, discount: 5%, valid_for: 7d } }, { send: { email: a } }]\n";
const MAIL: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>\
    {{unsubscribe_url}}{{#if promo_code}}x{{/if}}</mj-text></mj-column></mj-section></mj-body></mjml>";

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-23T{time}:00Z").parse().unwrap()
}

fn book(fences: Vec<Fence>) -> Book {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let files = [
        file("rules/policy.yaml", POLICY),
        file("rules/reminder.yaml", REMINDER),
        file("templates/a/email.en.mjml", MAIL),
    ];
    let checked = Checked::new(&files);
    assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
    checked.activate(&files, b"secret".to_vec()).book.fenced(fences)
}

fn event(kind: &str, time: &str, data: serde_json::Value) -> Event {
    let (id, source) = (format!("{kind} {time}"), "/shop".to_owned());
    Event {
        id,
        source,
        kind: kind.into(),
        subject: "c".into(),
        time: at(time),
        data: data.into(),
        trace: None,
    }
}

fn profile() -> Profile {
    let mut profile = Profile::default();
    profile.merge(&event("customer.signed_up", "00:01", json!({"email": "c@example.com"})));
    profile
}

fn ledger(status: ConsentStatus) -> Ledger {
    Ledger(vec![ConsentFact {
        channel: Channel::Email,
        purpose: "marketing".into(),
        status,
        at: at("00:01"),
        event_source: "/shop".into(),
        event_id: "1".into(),
        shown_at: None,
        said: None,
        proof: serde_json::Map::new(),
    }])
}

/// Asks the gate about an e-mail that was due at `due`, at 13:00, after a restore that forgot what was between 10:00 and noon.
fn ask(purpose: &str, due: &str, consent: ConsentStatus, told: Option<Told>) -> Gate {
    let fences = vec![Fence { after: at("10:00"), until: at("12:00") }];
    let book = book(fences);
    let (profile, consents) = (profile(), ledger(consent));
    let question = Question {
        policy: &book.active.policy,
        message_id: "m",
        channel: Channel::Email,
        purpose,
        profile: &profile,
        consents: &consents,
        suppressed: false,
        erased: false,
        over: None,
        expires_at: at("23:59"),
        slots: &[],
        due_at: at(due),
        fences: &book.fences,
        told,
        confirms: None,
    };
    admit(&question, at("13:00"), at("13:00"))
}

#[test]
fn the_gate_knows_what_may_have_gone() {
    use ConsentStatus::{Granted, Withdrawn};
    let open = Gate::Open { address: "c@example.com".into() };
    let sent = Some(Told::Sent(at("11:00")));
    let cases = [
        ("marketing", "09:59", Granted, None, open.clone()),
        ("marketing", "10:00", Granted, None, open.clone()),
        ("marketing", "10:01", Granted, None, Gate::Gone(None)),
        ("marketing", "12:00", Granted, None, Gate::Gone(None)),
        ("marketing", "12:01", Granted, None, open.clone()),
        ("service", "11:00", Granted, None, Gate::Gone(None)),
        // A contract's goes again, and stays where it is known to have gone.
        ("transactional", "11:00", Granted, None, open),
        ("transactional", "11:00", Granted, sent, Gate::Gone(sent)),
        // A list is believed whatever the instant.
        ("marketing", "09:00", Granted, sent, Gate::Gone(sent)),
        ("marketing", "12:30", Granted, Some(Told::Uncertain), Gate::Gone(Some(Told::Uncertain))),
        // What may not go is said to be so.
        ("marketing", "11:00", Withdrawn, None, Gate::Shut(Reason::ConsentWithdrawn)),
    ];
    for (purpose, due, consent, told, expected) in cases {
        assert_eq!(ask(purpose, due, consent, told), expected, "{purpose} {due} {consent:?} {told:?}");
    }
}

/// What a cart at `time` comes to, when it is told again after a restore that forgot all until `until`.
fn replayed(time: &str, until: &str, now: &str) -> declic::domain::snapshot::Verdicts {
    let book = book(vec![Fence { after: DateTime::<Utc>::MIN_UTC, until: at(until) }]);
    let cart = event("cart", time, json!({}));
    let mut customer = Snapshot {
        customer_id: "c".into(),
        profile: profile(),
        consents: ledger(ConsentStatus::Granted),
        ..Snapshot::default()
    };
    customer.history.push(Fact { event: cart.clone(), received_at: at(now) });
    decide::on_events(&book, &customer, &[cart], at(now))
}

#[test]
fn an_event_told_again_makes_the_same_message_and_does_not_send_it() {
    let verdicts = replayed("10:00", "12:00", "12:30");
    let [message] = &verdicts.messages[..] else { panic!("{verdicts:?}") };
    assert_eq!((message.state, message.reason), (MessageState::Uncertain, Some(Reason::Restored)));
    assert_eq!(message.slot_at, Some(at("10:00")), "it counts for caps");
    let outcome = Outcome::of_message(message, at("12:30")).unwrap();
    assert_eq!((outcome.kind.as_str(), &outcome.data["reason"]), ("message.uncertain", &json!("restored")));

    let fresh = replayed("10:00", "09:00", "12:30");
    assert_eq!(fresh.messages[0].state, MessageState::Pending);
    assert_eq!(fresh.messages[0].id, message.id);
    // Its promo code is the shop's already, and stays the same.
    assert_eq!(fresh.promo_codes, verdicts.promo_codes);
    assert_eq!(message.promo_code.as_ref(), Some(&fresh.promo_codes[0].code));
}

#[test]
fn what_quiet_hours_put_off_until_after_the_restore_has_not_gone() {
    // 20:30 in Paris is 19:30 UTC; mails go from 07:00 UTC on.
    let verdicts = replayed("19:30", "21:00", "21:30");
    assert_eq!(verdicts.messages[0].state, MessageState::Deferred);
    let verdicts = replayed("06:30", "08:00", "08:30");
    assert_eq!(verdicts.messages[0].state, MessageState::Uncertain, "put off, and gone at seven");
}

#[test]
fn only_words_given_to_us_are_told_to_the_shop_as_events_that_can_come_back() {
    let fact = |source: &str| ConsentFact {
        event_source: source.into(),
        ..ledger(ConsentStatus::Withdrawn).0.remove(0)
    };
    assert_eq!(Outcome::of_consent("c", &fact("/shop")), None);
    assert_eq!(Outcome::of_consent("c", &fact("/declic/import")), None);
    let outcome = Outcome::of_consent("c", &fact("/declic/unsubscribe")).unwrap();
    assert_eq!(outcome.time, at("00:01"), "the customer's own time");

    // As it is published, and taken in again by a database that has forgotten it.
    let again = Event {
        id: outcome.id,
        source: "/declic".into(),
        kind: outcome.kind,
        subject: "c".into(),
        time: outcome.time,
        data: outcome.data.into(),
        trace: None,
    };
    let customer = Snapshot { customer_id: "c".into(), ..Snapshot::default() };
    let verdicts = decide::on_events(&book(vec![]), &customer, &[again], at("12:30"));
    assert_eq!(verdicts.consents[0].status, ConsentStatus::Withdrawn);
    assert_eq!(Outcome::of_consent("c", &verdicts.consents[0]), None, "it goes round once");
}
