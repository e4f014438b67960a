//! Sending from real stores, by two workers at once, on a clock moved by hand: whatever the zones, hours, holidays, caps
//! and the order of arrival, no SMS leaves outside its hours, no cap is exceeded, what an exit has ended stays, and what
//! waits leaves as soon as it may.
//!
//! The judge is naive on purpose: it looks at the clock on the wall at one instant, at a list of holidays written by
//! hand, and at a list of what was sent. It shares no arithmetic with what it judges.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use declic::active::{Checked, Shelf};
use declic::channels::sms::Sms;
use declic::channels::{Capture, EmailChannel, Limits, Outlet, Parcel, SmsChannel};
use declic::clock::Clock;
use declic::delivery::dispatch::Dispatcher;
use declic::delivery::flow::Flow;
use declic::delivery::outcomes::Outcomes;
use declic::domain::consent::Channel;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::domain::message::{Lane, Message, MessageState};
use declic::domain::verdict::Reason;
use declic::process::Processor;
use declic::store::{MessageFilter, Store};
use declic::supervise::Pulse;
use serde_json::{Value, json};
use support::Folder;
use support::postgres::Postgres;
use tokio_util::sync::CancellationToken;

const ALL: &[Lane] = &[Lane::Transactional, Lane::Event, Lane::Bulk];

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\ndefault_country: FR\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\nsms: { sender: \"36180\" }\n";

const MAIL: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{unsubscribe_url}}</mj-text>\
    </mj-column></mj-section></mj-body></mjml>\n";

/// A database, and two workers that share it.
struct Place {
    store: Store,
    clock: Clock,
    processors: Vec<Processor>,
    capture: Capture,
    flow: Flow,
    shutdown: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Place {
    async fn open(url: &str, policy: &str, rules: &[(String, String)], start: DateTime<Utc>) -> Self {
        let file = |path: String, text: String| SourceFile { path, text };
        let mut files = vec![file("rules/policy.yaml".into(), format!("{POLICY}{policy}"))];
        files.extend(
            rules
                .iter()
                .map(|(name, body)| file(format!("rules/{name}.yaml"), format!("rule: {name}\n{body}"))),
        );
        files.push(file("templates/m/email.fr.mjml".into(), MAIL.into()));
        files.push(file("templates/s/sms.fr.txt".into(), "Bonjour".into()));
        let clock = Clock::manual(start);
        let store = Store::open(url, 8).await.expect("open").with_clock(clock.clone());
        store.migrate().await.expect("migrate");
        let capture = Capture::new(10_000, clock.clone());
        let flow = Flow::new(Channel::Sms, &Limits::default(), 1);
        let mut place = Self {
            store: store.clone(),
            clock: clock.clone(),
            processors: Vec::new(),
            capture: capture.clone(),
            flow: flow.clone(),
            shutdown: CancellationToken::new(),
            tasks: tokio::task::JoinSet::new(),
        };
        for _ in 0..2 {
            let store = match url.starts_with("postgres") {
                true => Store::open(url, 8).await.expect("open").with_clock(clock.clone()),
                false => store.clone(),
            };
            let checked = Checked::new(&files);
            assert!(!checked.has_errors(), "{}", render(&checked.diagnostics, &files, false));
            let shelf = Shelf::new(checked.activate(&files, b"secret".to_vec()));
            let processor = Processor::new(store.clone(), shelf.clone(), clock.clone());
            let handoff = processor.handoff().clone();
            place.processors.push(processor);
            let outlets = [
                Outlet::Email(EmailChannel::Capture(capture.clone())),
                Outlet::Sms(SmsChannel::Capture(capture.clone())),
            ];
            for outlet in outlets {
                let flow = match outlet.channel() {
                    Channel::Sms => flow.clone(),
                    Channel::Email => Flow::new(Channel::Email, &Limits::default(), 2),
                };
                let dispatcher = Dispatcher {
                    store: store.clone(),
                    shelf: shelf.clone(),
                    clock: clock.clone(),
                    outlet,
                    flow,
                    lanes: ALL,
                    outcomes: Outcomes::new(store.clone(), clock.clone(), None),
                    handoff: handoff.clone(),
                    public_url: Arc::from("https://news.example.com"),
                    connections: 2,
                    claim: 50,
                    lease: Duration::from_secs(120),
                    send_deadline: Duration::from_secs(1),
                };
                place.tasks.spawn(dispatcher.run(Pulse::new(clock.clone()), place.shutdown.clone()));
            }
        }
        place
    }

    /// Moves the clock, lets `events` in and waits until nothing is due any more.
    async fn live(&self, now: DateTime<Utc>, events: &[Event]) {
        self.clock.set(now);
        for (n, event) in events.iter().enumerate() {
            self.processors[n % 2].accept(std::slice::from_ref(event)).await.expect("accepted");
        }
        let began = Instant::now();
        // Twice in a row: what is claimed between two of its questions looks as if it were nowhere.
        let mut quiet = 0;
        while quiet < 2 {
            assert!(began.elapsed() < Duration::from_secs(30), "something is due at {now} and does not end");
            let counts = self.store.counts(now).await.expect("counts");
            if counts.oldest_due_entry.is_some() {
                let (one, two) = (self.processors[0].run_due(500), self.processors[1].run_due(500));
                let (one, two) = tokio::join!(one, two);
                one.and(two).expect("timers run");
            }
            let busy = counts.oldest_due_entry.is_some() || counts.oldest_due_message.is_some();
            quiet = if busy || counts.in_hand() > 0 { 0 } else { quiet + 1 };
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// When something is due next.
    async fn next(&self) -> Option<DateTime<Utc>> {
        let timer = self.store.next_due_at().await.expect("read");
        timer.into_iter().chain(self.store.next_message_at().await.expect("read")).min()
    }

    async fn messages(&self) -> Vec<Message> {
        self.store.messages(&MessageFilter { limit: 100_000, ..Default::default() }).await.expect("read")
    }

    async fn close(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no dispatcher panics");
        }
        self.store.close().await;
    }
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
        data,
    }
}

fn profile(number: usize, zone: Option<&str>, country: Option<&str>) -> Value {
    let word = |channel: &str| json!({"channel": channel, "purpose": "marketing", "status": "granted"});
    json!({
        "email": format!("c{number}@example.com"), "phone": format!("+336123456{number:02}"),
        "timezone": zone, "country": country, "consents": [word("email"), word("sms")],
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let url = Postgres::shared().database();
    runtime().block_on(test(url));
}

fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let folder = Folder::new("sending");
    runtime().block_on(test(format!("sqlite:{}", folder.join("declic.db").display())));
}

/// The cart of a Sunday evening, the offer by SMS put off to Monday, the order in the night.
async fn an_order_in_the_night_stops_the_offer_that_waits(url: String) {
    let body = "purpose: marketing\ntrigger: { event: cart }\nexit_on: [order]\nre_entry: always\n\
        steps: [{ wait: 1h }, { send: { sms: s, expire_after: 3d } }]\n";
    let (evening, night) = (at("2026-11-22T18:30:00Z"), at("2026-11-22T22:00:00Z"));
    let place = Place::open(&url, "", &[("offer".into(), body.into())], evening).await;
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
        let place = Place::open(&url, "", &[("r".into(), body.into())], evening).await;
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

/// Numbers that look random, the same for one seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn minutes(&mut self, most: u64) -> TimeDelta {
        TimeDelta::minutes(i64::try_from(self.roll(most)).expect("small"))
    }
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
                assert!(stop.is_none_or(|stop| at <= stop + LATE), "sent after its end: {message:?}");
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
fn history(dice: &mut Dice, start: DateTime<Utc>) -> Vec<(DateTime<Utc>, Event)> {
    let mut events = Vec::new();
    for number in 0..CUSTOMERS {
        let customer = format!("c-{number}");
        let (zone, country, ..) = home(&customer);
        let known = profile(number, zone, country);
        events.push((start, event(&format!("{number}-new"), "customer.signed_up", &customer, start, known)));
        for n in 0..7 {
            let time = start + dice.minutes(8 * 24 * 60);
            let late = if dice.roll(3) == 0 { dice.minutes(180) } else { TimeDelta::zero() };
            let kind = ["go.a", "go.b", "go.c", "go.d"][dice.roll(4) as usize];
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
    let mut dice = Dice(seed);
    let mut rule = |name: &str, more: &str, send: &str| {
        let wait = dice.roll(600) + 1;
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
    let place = Place::open(&url, CAPS, &rules, start).await;
    let events = history(&mut dice, start);
    let (mut now, mut next_event, began) = (start, 0, Instant::now());
    loop {
        let arrivals = events[next_event..].iter().take_while(|(arrives, _)| *arrives <= now).count();
        let arrived: Vec<Event> =
            events[next_event..next_event + arrivals].iter().map(|(_, e)| e.clone()).collect();
        next_event += arrivals;
        place.live(now, &arrived).await;
        // An event is taken in on time; what is due may find the workers late.
        let arrival = events.get(next_event).map(|(arrives, _)| *arrives);
        let due = place.next().await.map(|due| due + dice.minutes(9));
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
