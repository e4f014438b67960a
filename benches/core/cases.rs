//! The cases, each one closure that does its work once.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use declic::active::{Active, Shelf};
use declic::channels::email::Email;
use declic::channels::{Answer, Capture, Parcel};
use declic::clock::Clock;
use declic::delivery::admission::email;
use declic::domain::admit::{Gate, Known, Question, admit_now};
use declic::domain::compose::{Composer, template_for};
use declic::domain::consent::Channel;
use declic::domain::decide;
use declic::domain::event::{CLOUDEVENT, Event};
use declic::domain::fold;
use declic::domain::message::Message;
use declic::domain::snapshot::{Seen, Snapshot};
use declic::intake::decode;
use declic::process::Processor;
use declic::store::Store;
use lapin::BasicProperties;

use crate::shop;

/// Events that the intake takes in together.
const BATCH: u64 = 100;

/// One thing to measure.
pub struct Case {
    pub name: &'static str,
    /// How many events (or messages) one run is about.
    pub events: u64,
    pub run: Box<dyn Fn()>,
}

fn case(name: &'static str, run: impl Fn() + 'static) -> Case {
    Case { name, events: 1, run: Box::new(run) }
}

pub fn all() -> Vec<Case> {
    let shop = Arc::new(shop::shipped());
    let mut cases = vec![mix(&shop)];
    cases.extend([
        decoding("decode/cart", shop::cart(0, "k-1")),
        decoding("decode/sign-up", shop::signed_up(0)),
    ]);
    cases.extend(decisions(&shop));
    cases.extend([("decide/10-rules", 10), ("decide/100-rules", 100), ("decide/1000-rules", 1000)].map(
        |(name, count)| {
            let past = [shop::signed_up(3000), shop::cart(40, "k-1")];
            decision(name, &Arc::new(shop::with_rules(count)), &past, shop::cart(0, "k-1"))
        },
    ));
    cases.push(long_history(&shop));
    cases.extend(timers(&shop));
    cases.extend(messages(&shop));
    cases.push(batches(&shop));
    cases
}

/// The headline: decoding and deciding over what a shop says, mostly about what no rule is about.
fn mix(shop: &Arc<Active>) -> Case {
    let known = || vec![shop::signed_up(3000), shop::updated(2000)];
    let with_cart = || [known(), vec![shop::cart(30, "k-1"), shop::cart(20, "k-1")]].concat();
    let kinds: [(usize, Vec<Event>, Event); 6] = [
        (40, known(), shop::viewed(0)),
        (25, with_cart(), shop::cart(0, "k-1")),
        (10, with_cart(), shop::order(0, "k-1")),
        (10, known(), shop::updated(0)),
        (10, Vec::new(), shop::signed_up(0)),
        (5, known(), shop::withdrawn(0)),
    ];
    let mut arrivals = Vec::new();
    for (count, past, event) in kinds {
        let (body, customer) = (body(&event), before(shop, &past, &event));
        arrivals.extend(std::iter::repeat_n((body, customer), count));
    }
    let (shop, properties) = (shop.clone(), properties());
    let events = arrivals.len() as u64;
    let run = move || {
        for (body, customer) in &arrivals {
            let event = decode::delivery(&properties, black_box(body), shop::now()).expect("a good event");
            let events = std::slice::from_ref(&event);
            black_box(decide::on_events(&shop.book, customer, events, shop::now()));
        }
    };
    Case { name: "decode+decide/mix", events, run: Box::new(run) }
}

fn body(event: &Event) -> Vec<u8> {
    decode::structured(event).to_string().into_bytes()
}

fn properties() -> BasicProperties {
    BasicProperties::default().with_content_type(CLOUDEVENT.into())
}

fn decoding(name: &'static str, event: Event) -> Case {
    let (body, properties) = (body(&event), properties());
    case(name, move || {
        black_box(decode::delivery(&properties, black_box(&body), shop::now())).expect("a good event");
    })
}

/// The customer as loaded for a decision about `event`, which is in the history already.
fn before(shop: &Active, past: &[Event], event: &Event) -> Snapshot {
    let mut customer = shop::lived(&shop.book, past);
    shop::remember(&shop.book, &mut customer, event);
    customer
}

fn decision(name: &'static str, shop: &Arc<Active>, past: &[Event], event: Event) -> Case {
    let customer = before(shop, past, &event);
    let shop = shop.clone();
    case(name, move || {
        let events = std::slice::from_ref(black_box(&event));
        black_box(decide::on_events(&shop.book, &customer, events, shop::now()));
    })
}

fn decisions(shop: &Arc<Active>) -> Vec<Case> {
    let known = || vec![shop::signed_up(3000), shop::updated(2000)];
    let with_cart = || [known(), vec![shop::cart(30, "k-1"), shop::cart(20, "k-1")]].concat();
    vec![
        decision("decide/no-rule", shop, &known(), shop::viewed(0)),
        decision("decide/profile", shop, &known(), shop::updated(0)),
        decision("decide/sign-up", shop, &[], shop::signed_up(0)),
        decision("decide/cart", shop, &with_cart(), shop::cart(0, "k-1")),
        decision("decide/order", shop, &with_cart(), shop::order(0, "k-1")),
    ]
}

/// A customer who changed two carts a hundred times within nine hours.
fn long_history(shop: &Arc<Active>) -> Case {
    let mut past = vec![shop::signed_up(3000)];
    let carts = (1..=100).rev().map(|n| shop::cart(n * 5, if n % 2 == 0 { "k-1" } else { "k-2" }));
    past.extend(carts);
    let customer = before(shop, &past, &shop::cart(0, "k-1"));
    let shop = shop.clone();
    case("fold/100-past-events", move || {
        let rule = &shop.book.active.rules["abandoned-cart"];
        black_box(fold::fold(&shop.book, rule, &Seen::from(black_box(&customer))));
    })
}

fn timers(shop: &Arc<Active>) -> Vec<Case> {
    let timer = |name, minutes_ago: i64| {
        let customer = shop::lived(&shop.book, &[shop::signed_up(3000), shop::cart(minutes_ago, "k-1")]);
        let verdicts = decide::on_timer(&shop.book, &customer, shop::now());
        assert!(!verdicts.messages.is_empty(), "{name}: a timer is due");
        let shop = shop.clone();
        case(name, move || {
            black_box(decide::on_timer(&shop.book, black_box(&customer), shop::now()));
        })
    };
    // To the minute, so that it is due now and has not run before.
    vec![timer("timer/reminder", 60), timer("timer/offer", 25 * 60)]
}

fn messages(shop: &Arc<Active>) -> Vec<Case> {
    let offer = sent(shop, &[shop::signed_up(3000), shop::cart(25 * 60, "k-1")], None);
    let welcome = sent(shop, &[], Some(shop::signed_up(0)));
    let welcome = welcome.into_iter().next().expect("a welcome");
    let gate = |name, channel: Channel| {
        let (customer, message) = offer.iter().find(|(_, m)| m.channel == channel).expect("an offer").clone();
        let shop = shop.clone();
        case(name, move || {
            let known = Known {
                profile: &customer.profile,
                consents: &customer.consents,
                suppressed: &customer.suppressed,
                erased: false,
                exit: None,
                held_until: None,
            };
            let question = Question::about(black_box(&message), &shop.book, known, &[]);
            let gate = admit_now(&question, message.due_at);
            assert!(matches!(gate, Gate::Open { .. }));
            black_box(gate);
        })
    };
    let mail = {
        let (shop, (customer, message)) = (shop.clone(), welcome.clone());
        case("render/welcome", move || {
            black_box(mail(&shop, &customer, black_box(&message)));
        })
    };
    let captured = {
        let (shop, (customer, message)) = (shop.clone(), welcome);
        let capture = Capture::new(1, Clock::manual(shop::now()));
        let parcel = Parcel::Email(self::mail(&shop, &customer, &message));
        case("mime/welcome", move || {
            assert!(matches!(capture.send(black_box(&parcel)), Answer::Accepted { .. }));
        })
    };
    vec![gate("admit/email", Channel::Email), gate("admit/sms", Channel::Sms), mail, captured]
}

/// A batch of the intake from its events to its commit, in a database in memory: all but the broker and the disk.
fn batches(shop: &Active) -> Case {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let store = runtime.block_on(async {
        let store = Store::open("sqlite::memory:", 1).await.expect("a database in memory");
        let store = store.with_secrets([&b"a secret of thirty-two characters"[..]]);
        store.migrate().await.expect("its tables");
        store
    });
    let processor = Processor::new(store, Shelf::new(shop.clone()), Clock::manual(shop::now()));
    let taken = Cell::new(0);
    let run = move || {
        let first = taken.replace(taken.get() + BATCH);
        let event = |n: u64| Event {
            id: format!("change-{n}"),
            subject: format!("c-{}", n % (BATCH * 20)),
            ..shop::updated(0)
        };
        let events: Vec<Event> = (first..first + BATCH).map(event).collect();
        let fresh = runtime.block_on(processor.accept(black_box(&events))).expect("taken in");
        assert!(fresh.iter().all(|new| *new));
    };
    Case { name: "store/batch", events: BATCH, run: Box::new(run) }
}

/// The messages that are due now, each with the customer it is for.
fn sent(shop: &Active, past: &[Event], event: Option<Event>) -> Vec<(Snapshot, Message)> {
    let mut customer = shop::lived(&shop.book, past);
    let verdicts = match &event {
        Some(event) => {
            shop::remember(&shop.book, &mut customer, event);
            decide::on_events(&shop.book, &customer, std::slice::from_ref(event), shop::now())
        }
        None => decide::on_timer(&shop.book, &customer, shop::now()),
    };
    customer.evolve(&verdicts);
    verdicts.messages.into_iter().map(|message| (customer.clone(), message)).collect()
}

/// The finished mail, as the delivery makes it.
fn mail(shop: &Active, customer: &Snapshot, message: &Message) -> Email {
    let policy = &shop.book.active.policy;
    let composer = Composer { policy, public_url: "https://news.example.com", secret: &shop.book.secret };
    let template = template_for(&shop.templates, &message.template, &customer.profile, policy);
    let template = template.expect("the welcome's template");
    let address = message.address.as_deref().expect("an address");
    email(&composer, message, &customer.profile, address, &template).expect("a good template")
}
