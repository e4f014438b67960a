//! Sending from real stores, by two workers at once, on a clock moved by hand: whatever the zones, hours, holidays, caps
//! and the order of arrival, no SMS leaves outside its hours, no cap is exceeded, what an exit has ended stays, and what
//! waits leaves as soon as it may.
//!
//! The judge is naive on purpose: it looks at the clock on the wall at one instant, at a list of holidays written by
//! hand, and at a list of what was sent. It shares no arithmetic with what it judges.

mod support;

use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use declic::channels::Parcel;
use declic::channels::sms::Sms;
use declic::clock::Clock;
use declic::domain::consent::Channel;
use declic::domain::diagnostic::SourceFile;
use declic::domain::event::Event;
use declic::domain::message::{Message, MessageState};
use declic::domain::verdict::Reason;
use declic::store::MessageFilter;
use serde_json::{Value, json};
use support::place::{Place, on_postgres, on_sqlite};
use support::random::Random;

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\ndefault_country: FR\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\nsms: { sender: \"36180\" }\n";

const MAIL: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{unsubscribe_url}}</mj-text>\
    </mj-column></mj-section></mj-body></mjml>\n";

/// Two workers, with a mail `m` and an SMS `s`.
async fn open(url: &str, policy: &str, rules: &[(String, String)], start: DateTime<Utc>) -> Place {
    let file = |path: String, text: String| SourceFile { path, text };
    let mut files = vec![file("rules/policy.yaml".into(), format!("{POLICY}{policy}"))];
    files.extend(
        rules.iter().map(|(name, body)| file(format!("rules/{name}.yaml"), format!("rule: {name}\n{body}"))),
    );
    files.push(file("templates/m/email.fr.mjml".into(), MAIL.into()));
    files.push(file("templates/s/sms.fr.txt".into(), "Bonjour".into()));
    Place::open(url, &files, start, 2).await
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn event(id: &str, kind: &str, customer: &str, time: DateTime<Utc>, data: Value) -> Event {
    Event {
        id: id.to_owned(),
        source: "/t".to_owned(),
        kind: kind.to_owned(),
        subject: customer.to_owned(),
        time,
        data: data.into(),
        trace: None,
    }
}

fn profile(number: usize, zone: Option<&str>, country: Option<&str>) -> Value {
    let word = |channel: &str| json!({"channel": channel, "purpose": "marketing", "status": "granted"});
    json!({
        "email": format!("c{number}@example.com"), "phone": format!("+336123456{number:02}"),
        "timezone": zone, "country": country, "consents": [word("email"), word("sms")],
    })
}

/// The cart of a Sunday evening, the offer by SMS put off to Monday, the order in the night.
async fn an_order_in_the_night_stops_the_offer_that_waits(url: String) {
    let body = "purpose: marketing\ntrigger: { event: cart }\nexit_on: [order]\nre_entry: always\n\
        steps: [{ wait: 1h }, { send: { sms: s, expire_after: 3d } }]\n";
    let (evening, night) = (at("2026-11-22T18:30:00Z"), at("2026-11-22T22:00:00Z"));
    let place = open(&url, "", &[("offer".into(), body.into())], evening).await;
    let mut events = Vec::new();
    for (n, customer) in ["buys", "waits"].into_iter().enumerate() {
        let known = profile(n, None, None);
        events.push(event(&format!("{customer}-1"), "customer.signed_up", customer, evening, known));
        events.push(event(&format!("{customer}-2"), "cart", customer, evening, json!({})));
    }
    place.live(evening, &events).await;
    place.live(evening + TimeDelta::hours(1), &[]).await;
    assert!(place.messages().await.iter().all(|m| m.state == MessageState::Deferred));
    place.live(night, &[event("order", "order", "buys", night, json!({}))]).await;
    place.live(at("2026-11-23T07:20:00Z"), &[]).await;
    let fate = |messages: Vec<Message>, customer: &str| {
        let message = messages.into_iter().find(|m| m.customer_id == customer).expect("one");
        (message.state, message.reason)
    };
    let messages = place.messages().await;
    assert_eq!(fate(messages.clone(), "buys"), (MessageState::Suppressed, Some(Reason::Exited)));
    assert_eq!(fate(messages, "waits"), (MessageState::Sent, None));
    assert_eq!(place.capture.list().len(), 1);
    place.close().await;
}

#[test]
fn an_order_in_the_night_stops_the_offer_that_waits_on_sqlite() {
    on_sqlite(an_order_in_the_night_stops_the_offer_that_waits);
}

#[test]
fn an_order_in_the_night_stops_the_offer_that_waits_on_postgres() {
    on_postgres(an_order_in_the_night_stops_the_offer_that_waits);
}

/// A message is let through a moment before its hours end, and then waits for a connection.
#[test]
fn an_sms_that_waited_behind_others_until_its_hours_were_over_stays() {
    on_sqlite(async |url| {
        let body =
            "purpose: marketing\ntrigger: { event: go }\nsteps: [{ send: { sms: s, expire_after: 3d } }]\n";
        let evening = at("2026-11-24T18:59:58Z");
        let place = open(&url, "", &[("r".into(), body.into())], evening).await;
        let held = place.flow.connection(true).await;
        let events = [
            event("1", "customer.signed_up", "c", evening, profile(1, None, None)),
            event("2", "go", "c", evening, json!({})),
        ];
        place.processors[0].accept(&events).await.expect("accepted");
        let began = Instant::now();
        while place.messages().await[0].state != MessageState::Sending {
            assert!(began.elapsed() < Duration::from_secs(20), "it is not let through");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        place.clock.set(at("2026-11-24T19:00:00Z"));
        drop(held);
        place.live(at("2026-11-24T19:00:00Z"), &[]).await;
        let message = place.messages().await.remove(0);
        assert_eq!((message.state, message.reason), (MessageState::Deferred, Some(Reason::QuietHours)));
        assert_eq!((message.attempts, place.capture.list().len()), (0, 0), "nothing was tried");
        place.live(at("2026-11-25T07:20:00Z"), &[]).await;
        let texts = place.capture.list();
        assert!(matches!(texts[0].parcel.as_ref(), Parcel::Sms(Sms { .. })) && texts.len() == 1);
        place.close().await;
    });
}

/// How late the workers may come, and how long a spread lasts.
const LATE: TimeDelta = TimeDelta::minutes(10);
const SPREAD: TimeDelta = TimeDelta::minutes(15);

const CUSTOMERS: usize = 8;

/// Public holidays of France in the fortnight.
const HOLIDAYS: [(u32, u32); 4] = [(5, 1), (5, 6), (5, 8), (5, 17)];

const CAPS: &str = "frequency_caps:\n\
    - { channel: sms, purpose: marketing, limit: 1 per 1d, when_full: defer }\n\
    - { channel: sms, purpose: service, limit: 2 per 2d, when_full: skip }\n\
    - { channel: email, limit: 2 per 1d, when_full: skip }\n\
    - { limit: 5 per 3d, when_full: defer }\n";

/// A cap as the judge reads it: channel, purpose, limit, hours, whether it defers.
type Judged = (Option<Channel>, Option<&'static str>, usize, i64, bool);

/// The same caps.
const JUDGED: [Judged; 4] = [
    (Some(Channel::Sms), Some("marketing"), 1, 24, true),
    (Some(Channel::Sms), Some("service"), 2, 48, false),
    (Some(Channel::Email), None, 2, 24, false),
    (None, None, 5, 72, true),
];

fn minutes(random: &mut Random, most: u64) -> TimeDelta {
    TimeDelta::minutes(i64::try_from(random.between(0, most - 1)).expect("small"))
}

/// Where a customer lives: zone and country told, and the zone and days that hold.
fn home(customer: &str) -> (Option<&'static str>, Option<&'static str>, Tz, u32, bool) {
    let number: usize = customer.trim_start_matches("c-").parse().expect("a number");
    [
        (Some("Europe/Paris"), Some("FR"), Tz::Europe__Paris, 8, true),
        (Some("Indian/Reunion"), Some("RE"), Tz::Indian__Reunion, 8, true),
        (Some("America/New_York"), Some("US"), Tz::America__New_York, 9, false),
        (None, Some("BE"), Tz::Europe__Brussels, 8, false),
        (None, None, Tz::Europe__Paris, 8, true),
        (Some("America/Los_Angeles"), Some("US"), Tz::America__Los_Angeles, 9, false),
    ][number % 6]
}

/// Whether an SMS may go to this customer at `at`.
fn allowed(customer: &str, at: DateTime<Utc>) -> bool {
    let (.., zone, from, holidays) = home(customer);
    let local = at.with_timezone(&zone);
    let holiday = holidays && HOLIDAYS.contains(&(local.month(), local.day()));
    local.weekday() != chrono::Weekday::Sun && (from..20).contains(&local.hour()) && !holiday
}

fn covers(cap: &Judged, message: &Message) -> bool {
    cap.0.is_none_or(|c| c == message.channel) && cap.1.is_none_or(|p| p == message.purpose)
}

/// The messages of one customer, judged.
fn judge(customer: &str, messages: &[&Message], events: &[(DateTime<Utc>, Event)]) {
    let sent = |m: &&&Message| m.state == MessageState::Sent;
    let left = |m: &Message| m.sent_at.expect("a sent message has its instant");
    let gone: Vec<&Message> = messages.iter().filter(sent).copied().collect();
    for message in &gone {
        let at = left(message);
        assert!(message.channel == Channel::Email || allowed(customer, at), "outside its hours: {message:?}");
        for cap in JUDGED.iter().filter(|cap| covers(cap, message)) {
            let within =
                |m: &&&Message| covers(cap, m) && left(m) <= at && at - left(m) < TimeDelta::hours(cap.3);
            let count = gone.iter().filter(within).count();
            assert!(count <= cap.2, "{count} within {} h: {message:?}", cap.3);
        }
    }
    for message in messages {
        assert!(message.state.is_final(), "it waits for ever: {message:?}");
        let (arrived, trigger) =
            events.iter().find(|(_, e)| message.occurrence == format!("/t#{}", e.id)).expect("its event");
        let after = |e: &Event| (e.time, &e.id) > (trigger.time, &trigger.id);
        let mine = events.iter().map(|(_, e)| e).filter(|e| e.subject == customer && e.kind == "stop");
        let stop = mine.filter(|e| after(e)).map(|e| e.time).min();
        assert!(stop.is_none_or(|stop| message.planned_at < stop), "planned after its end: {message:?}");
        match (message.state, message.reason) {
            (MessageState::Sent, _) => {
                let at = left(message);
                // What was planned before its end, and could not be known in time, goes when it is known.
                let until = stop.map(|stop| stop.max(*arrived) + LATE);
                assert!(until.is_none_or(|until| at <= until), "sent after its end: {message:?}");
                prompt(customer, message, &gone, *arrived, at);
            }
            (MessageState::Suppressed, Some(Reason::Exited)) => {
                let stop = stop.unwrap_or_else(|| panic!("nothing ended it: {message:?}"));
                // What could not have gone before its end is stopped by it, also where it was due before.
                prompt(customer, message, &gone, *arrived, stop);
            }
            (MessageState::Suppressed, Some(Reason::FrequencyCap)) => {
                let skips = |cap: &&Judged| !cap.4 && covers(cap, message);
                assert!(JUDGED.iter().any(|cap| skips(&cap)), "no cap skips: {message:?}");
            }
            (MessageState::Expired, _) => prompt(customer, message, &gone, *arrived, message.expires_at),
            _ => panic!("{message:?}"),
        }
    }
}

/// A message never waits through a whole spread of time that suits it.
fn prompt(
    customer: &str,
    message: &Message,
    gone: &[&Message],
    arrived: DateTime<Utc>,
    until: DateTime<Utc>,
) {
    let suits = |at: DateTime<Utc>| {
        let hours = message.channel == Channel::Email || allowed(customer, at);
        hours
            && JUDGED.iter().filter(|cap| cap.4 && covers(cap, message)).all(|cap| {
                let others = gone.iter().filter(|m| m.id != message.id && covers(cap, m));
                let counting = others.filter_map(|m| m.sent_at);
                counting.filter(|slot| *slot <= at && at - *slot < TimeDelta::hours(cap.3)).count() < cap.2
            })
    };
    let mut at = message.planned_at.max(arrived);
    let mut suited = TimeDelta::zero();
    while at < until {
        suited = if suits(at) { suited + TimeDelta::minutes(1) } else { TimeDelta::zero() };
        assert!(
            suited <= SPREAD + LATE + TimeDelta::minutes(1),
            "it waited until {until}, at {at}: {message:?}"
        );
        at += TimeDelta::minutes(1);
    }
}

/// What happens in ten days, each event with the instant at which it arrives: stops in time, the rest up to three hours
/// late.
fn history(random: &mut Random, start: DateTime<Utc>) -> Vec<(DateTime<Utc>, Event)> {
    let mut events = Vec::new();
    for number in 0..CUSTOMERS {
        let customer = format!("c-{number}");
        let (zone, country, ..) = home(&customer);
        let known = profile(number, zone, country);
        events.push((start, event(&format!("{number}-new"), "customer.signed_up", &customer, start, known)));
        for n in 0..7 {
            let time = start + minutes(random, 8 * 24 * 60);
            let late = if random.between(0, 2) == 0 { minutes(random, 180) } else { TimeDelta::zero() };
            let kind = ["go.a", "go.b", "go.c", "go.d"][random.between(0, 3) as usize];
            let (kind, late) = if n < 5 { (kind, late) } else { ("stop", TimeDelta::zero()) };
            events.push((time + late, event(&format!("{number}-{n}"), kind, &customer, time, json!({}))));
        }
    }
    events.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
    events
}

/// Ten days of eight customers in six places.
async fn nothing_leaves_when_it_may_not_and_all_leaves_when_it_may(url: String) {
    let seed = std::env::var("SENDING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| Clock::Real.now().timestamp_micros().unsigned_abs());
    eprintln!("SENDING_SEED={seed}");
    let mut random = Random::new(seed, 1);
    let mut rule = |name: &str, more: &str, send: &str| {
        let wait = random.between(0, 599) + 1;
        let body = format!(
            "{more}\ntrigger: {{ event: go.{name} }}\nexit_on: [stop]\nre_entry: always\n\
             steps: [{{ wait: {wait}m }}, {{ send: {{ {send}, expire_after: 6d }} }}, {{ wait: 2h }}, \
             {{ send: {{ {send}, expire_after: 1d, id: again }} }}]\n"
        );
        (name.to_owned(), body)
    };
    let rules = [
        rule("a", "purpose: marketing\npriority: 5", "sms: s"),
        rule("b", "purpose: service", "email: m, sms: s"),
        rule("c", "purpose: marketing", "sms: s, email: m"),
        rule("d", "purpose: marketing\npriority: -3", "email: m"),
    ];
    let start = at("2027-04-30T06:00:00Z");
    let place = open(&url, CAPS, &rules, start).await;
    let events = history(&mut random, start);
    let (mut now, mut next_event, began) = (start, 0, Instant::now());
    loop {
        let arrivals = events[next_event..].iter().take_while(|(arrives, _)| *arrives <= now).count();
        let arrived: Vec<Event> =
            events[next_event..next_event + arrivals].iter().map(|(_, e)| e.clone()).collect();
        next_event += arrivals;
        place.live(now, &arrived).await;
        // An event is taken in on time; what is due may find the workers late.
        let arrival = events.get(next_event).map(|(arrives, _)| *arrives);
        let due = place.next().await.map(|due| due + minutes(&mut random, 9));
        let Some(next) = arrival.into_iter().chain(due).min() else { break };
        now = next.max(now + TimeDelta::seconds(1));
    }
    let messages = place.messages().await;
    for number in 0..CUSTOMERS {
        let customer = format!("c-{number}");
        let mine: Vec<&Message> = messages.iter().filter(|m| m.customer_id == customer).collect();
        judge(&customer, &mine, &events);
    }
    let sent = messages.iter().filter(|m| m.state == MessageState::Sent).count();
    assert_eq!(place.capture.list().len(), sent, "each once");
    assert!(sent > 20 && messages.len() > sent, "{sent} of {}", messages.len());
    let took = began.elapsed();
    eprintln!("{sent} of {} messages sent, in {took:?}", messages.len());
    assert!(took < Duration::from_secs(60), "{took:?}");
    place.close().await;
}

#[test]
fn nothing_leaves_when_it_may_not_and_all_leaves_when_it_may_on_sqlite() {
    on_sqlite(nothing_leaves_when_it_may_not_and_all_leaves_when_it_may);
}

#[test]
fn nothing_leaves_when_it_may_not_and_all_leaves_when_it_may_on_postgres() {
    on_postgres(nothing_leaves_when_it_may_not_and_all_leaves_when_it_may);
}

/// Withdrawals, restrictions and erasures, told while hand-overs are under way: what is not admitted yet when such a word
/// has committed never goes.
async fn no_word_that_has_committed_is_overtaken(url: String) {
    const MANY: usize = 240;
    let body =
        "purpose: marketing\ntrigger: { event: go }\nre_entry: always\nsteps: [{ send: { email: m } }]\n";
    let now = at("2027-03-01T10:00:00Z");
    let place = open(&url, "", &[("r".into(), body.into())], now).await;
    let named = |n: usize| format!("c-{n}");
    let event = |n: usize, kind: &str, minutes: i64, data: Value| {
        event(&format!("{kind}-{n}"), kind, &named(n), now - TimeDelta::minutes(minutes), data)
    };
    let known: Vec<Event> =
        (0..MANY).map(|n| event(n, "customer.signed_up", 30, profile(n % 90, None, None))).collect();
    place.live(now, &known).await;
    let seed = Clock::Real.now().timestamp_micros().unsigned_abs();
    eprintln!("seed {seed}");
    let mut random = Random::new(seed, 1);
    let (mut gone, mut spoken): (Vec<usize>, Vec<usize>) = ((0..MANY).collect(), (0..MANY).collect());
    random.shuffle(&mut gone);
    random.shuffle(&mut spoken);
    let going = async {
        for some in gone.chunks(4) {
            let events: Vec<Event> = some.iter().map(|n| event(*n, "go", 1, json!({}))).collect();
            place.processors[0].accept(&events).await.expect("accepted");
        }
    };
    let speaking = async {
        let mut admitted: Vec<String> = Vec::new();
        for n in &spoken {
            let word = match n % 3 {
                0 => event(*n, "customer.deleted", 0, json!({})),
                1 => event(*n, "customer.updated", 0, json!({ "processing_restricted": true })),
                _ => {
                    let word = json!({ "channel": "email", "purpose": "marketing", "status": "withdrawn" });
                    event(*n, "consent.changed", 0, word)
                }
            };
            place.processors[1].accept(&[word]).await.expect("accepted");
            let filter = MessageFilter { customer: Some(named(*n)), limit: 9, ..MessageFilter::default() };
            let messages = place.store.messages(&filter).await.expect("read");
            let on_their_way = messages
                .into_iter()
                .filter(|m| matches!(m.state, MessageState::Sending | MessageState::Sent));
            admitted.extend(on_their_way.map(|m| m.id));
            tokio::time::sleep(Duration::from_micros(random.between(0, 3_000))).await;
        }
        admitted
    };
    let ((), admitted) = tokio::join!(going, speaking);
    place.live(now, &[]).await;
    let messages = place.messages().await;
    let sent: Vec<&Message> = messages.iter().filter(|m| m.state == MessageState::Sent).collect();
    for message in &sent {
        assert!(
            admitted.contains(&message.id),
            "{} went after the word of {}",
            message.id,
            message.customer_id
        );
    }
    assert_eq!(place.capture.list().len(), sent.len(), "and nothing else left");
    let stopped = messages.iter().filter(|m| m.state == MessageState::Suppressed).count();
    eprintln!("{} sent, {stopped} stopped", sent.len());
    assert!(sent.len() > 2 && stopped > 2, "{} sent, {stopped} stopped", sent.len());
    place.close().await;
}

#[test]
fn no_word_that_has_committed_is_overtaken_on_sqlite() {
    on_sqlite(no_word_that_has_committed_is_overtaken);
}

#[test]
fn no_word_that_has_committed_is_overtaken_on_postgres() {
    on_postgres(no_word_that_has_committed_is_overtaken);
}
