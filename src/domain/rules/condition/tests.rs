use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::event::Event;

/// An event, a customer and an entry.
static FACTS: LazyLock<(Event, Map<String, Value>, Value)> = LazyLock::new(|| {
    let now: DateTime<Utc> = "2026-11-22T10:00:00Z".parse().unwrap();
    let event = Event {
        id: "e-1".into(),
        source: "/shop".into(),
        kind: "cart.updated".into(),
        subject: "c-42".into(),
        time: now,
        data: json!({
            "total": 60, "exact": 59.9, "qty": 3, "price": 19.99, "items": [{"sku": "A", "tags": ["new"], "price": 12}],
            "name": "Zoé", "nothing": null, "paid": true, "big": u64::MAX, "first-name": "x",
        })
        .into(),
        trace: None,
    };
    let customer = json!({ "country": "FR", "age": 42 }).as_object().cloned().unwrap();
    (event, customer, json!({ "key": "cart-1" }))
});

fn scope() -> Scope<'static> {
    let (event, customer, entry) = &*FACTS;
    Scope::new(Some(event), customer, entry, event.time)
}

fn eval(text: &str) -> Truth {
    match Condition::parse(text) {
        Ok(condition) => condition.eval(&scope()),
        Err(error) => panic!("{text}: {error:?}"),
    }
}

#[test]
fn what_holds_and_what_does_not() {
    for text in [
        "data.total >= 50",
        "data.total >= 50.5",
        "data.exact < 60",
        "data.total == 60.0",
        "data.qty * data.price > 59.0",
        "data.qty * 2.0 == 6.0",
        "data.qty + 1 == 4 && data.qty - 0.5 == 2.5 && 7 / 2.0 == 3.5 && 7 / 2 == 3",
        "data.items.map(i, i.price * 1.2).exists(p, p > 14)",
        "data.items.exists(i, i.tags.exists(t, t == \"new\"))",
        "data.items.all(i, i.price > 10) && size(data.items) == 1",
        "data.items.filter(i, i.price + 0.5 > 12).size() == 1",
        "\"FR\" == customer.country",
        "customer.country in [\"FR\", \"BE\"]",
        "customer[\"country\"] == 'FR'",
        "event.type == \"cart.updated\" && event.data.total == 60 && .event.id == 'e-1'",
        "event.time <= now && now - event.time < duration('1h')",
        "event.time == timestamp('2026-11-22T10:00:00Z')",
        "now.getHours(\"Europe/Paris\") == 11",
        "has(customer.country) && !has(customer.tags)",
        "customer.?tags.orValue([]).size() == 0",
        "data.name.startsWith(\"Zo\") && data.name.matches('^Z.é$') && size(data.name) == 3",
        "data.nothing == null",
        "data.paid",
        "data.big > 1",
        "data[\"first-name\"] == \"x\"",
        "entry.key == 'cart-1'",
        "type(data.total) == int",
        "data.total > 1 || customer.tags == 'x'",
        "data.name + \"!\" == \"Zoé!\"",
        "data.name != \"a = b and # c\"",
    ] {
        assert_eq!(eval(text), Truth::True, "{text}");
    }
    for text in ["data.total > 60", "data.paid && false", "customer.country == 3", "!data.paid"] {
        assert_eq!(eval(text), Truth::False, "{text}");
    }
}

#[test]
fn what_cannot_be_told_names_the_field() {
    for (text, expected) in [
        ("\"vip\" in customer.tags", "customer.tags"),
        ("customer.address.city == 'Lyon'", "customer.address"),
        ("event.data.coupon == 'X'", "data.coupon"),
        ("data.nothing.at_all == 1", "data.nothing.at_all"),
        ("data.name.first == 'Zoé'", "data.name.first"),
        ("data.items.exists(i, i.colour == 'red')", "colour"),
        ("data.nothing >= 3", "`>=` does not work with nothing and a whole number (data.nothing is nothing)"),
        ("data.name >= 3", "`>=` does not work with a text and a whole number (data.name is a text)"),
        ("data.name * 2.0 > 3.0", "`*` does not work with a text and a decimal number (data.name is a text)"),
        ("data.name", "the condition gives a text, not yes or no"),
        ("data.total / 0 == 1", "a division by zero"),
        ("data.items[4].sku == 'A'", "a list with fewer items than the condition asks for"),
        ("timestamp(data.name) < now", "`timestamp` cannot use what it is given (data.name is a text)"),
        ("data.total && true", "`&&` does not work with"),
    ] {
        let Truth::Unknown(why) = eval(text) else { panic!("{text} can be told") };
        assert!(why == expected || (expected.len() > 20 && why.starts_with(expected)), "{text}: {why}");
    }
}

#[test]
fn without_an_event_a_condition_on_one_cannot_be_told() {
    let (customer, entry) = (Map::new(), json!({}));
    let scope = Scope::new(None, &customer, &entry, DateTime::<Utc>::MIN_UTC);
    let eval = |text| Condition::parse(text).unwrap().eval(&scope);
    assert_eq!(eval("data.total > 1"), Truth::Unknown("data.total".into()));
    assert_eq!(eval("customer.age > 1"), Truth::Unknown("customer.age".into()));
    assert_eq!(eval("1 < 2"), Truth::True);
}

#[test]
fn what_it_reads() {
    let reads = |text| Condition::parse(text).unwrap().reads().to_vec();
    assert_eq!(
        reads("data.total >= 50 && customer.country == 'FR' && data.total < 9"),
        ["data.total", "customer.country"]
    );
    assert_eq!(
        reads("event.data.items.exists(i, i.price > customer.limit)"),
        ["data.items", "customer.limit"]
    );
    assert_eq!(reads("data.items[0].sku == 'A' && has(customer.tags)"), ["data.items", "customer.tags"]);
    assert_eq!(reads("customer.?a.orValue(1) == 1 || customer['b'].c == 2"), ["customer.a", "customer.b.c"]);
    assert_eq!(reads("now > event.time"), ["now", "event.time"]);
    assert!(Condition::parse("size(customer) > 0").unwrap().reads_customer());
    assert!(!Condition::parse("data.customer > 0").unwrap().reads_customer());
}

#[test]
fn mistakes_are_explained_in_their_place() {
    for (text, place, message, help) in [
        ("", "", "empty", ""),
        ("data.total = 5", "=", "single `=`", "`==`"),
        ("data.total => 5", "=>", "not a comparison", "`>=`"),
        ("data.total <> 5", "<>", "not a comparison", "`!=`"),
        ("data.paid & data.total > 1", "&", "single `&`", "`&&`"),
        ("data.paid and data.total > 1", "and", "`and`", "`&&`"),
        ("not data.paid", "not", "`not`", "`!`"),
        ("data.name == “x”", "“", "not a quote", "straight quotes"),
        ("data.name == \"x", "\"x", "no closing \"", ""),
        ("data.total >= 50 €", "€", "means nothing", ""),
        ("data.total >= 50,5", ",", "not expected", "`50.5`"),
        ("data.total >=", "", "ends too early", ""),
        ("(data.total > 1", "", "`)` is missing", ""),
        ("data.total > 1 data.paid", "data", "`data` is not expected", ""),
        ("data.paid || custmer.vip", "custmer", "no `custmer`", "`customer`"),
        ("\"é\" == data.name || total > 5", "total", "no `total`", "`data.total`"),
        ("event.total > 5", ".total", "no `total`", "`data.total`"),
        ("event.tpye == 'x'", ".tpye", "no `tpye`", "`event.type`"),
        ("length(data.items) > 1", "length", "no function `length`", "`size`"),
        ("data.name.startswith('a')", "startswith", "no function `startswith`", "`startsWith`"),
        ("data.name.matches('[')", "'", "regular expression", ""),
        ("data.paid == True", "True", "no `True`", "`true`"),
        ("data.total + 1", "data.total + 1", "a calculation", "compare"),
        ("size(data.items)", "size(data.items)", "a number", ""),
        ("'abc'", "'abc'", "a text", ""),
        ("data.items.all(i, data.items.all(j, i == j))", "", "loop inside a loop", ""),
        ("now.hour > 3", "now", "no fields", "getHours"),
        ("if > 3", "if", "reserved", ""),
        ("data.prénom == 'x'", "prénom", "letters", "data[\"prénom\"]"),
        ("has(data)", "", "asks for a field", ""),
        ("Cart{total: 1} == 2", "", "no type", ""),
        ("99999999999999999999 > 1", "", "too large", ""),
        ("# data.paid", "#", "means nothing", ""),
    ] {
        let error = Condition::parse(text).expect_err(text);
        assert!(error.message.contains(message), "{text}: {error:?}");
        assert!(error.help.as_deref().unwrap_or_default().contains(help), "{text}: {error:?}");
        if !place.is_empty() {
            assert_eq!(&text[error.offset.clone()], place, "{text}: {error:?}");
        }
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let long = |part: &str, n: usize| format!("data{}", part.repeat(n));
    for text in [
        long(".b", 990) + " == 1",
        long(" + 1", 400) + " == 1",
        "!".repeat(1900) + "data.paid",
        "(".repeat(900) + "data.paid" + &")".repeat(900),
        "data.paid ? true : ".repeat(90) + "false",
        "[".repeat(1000),
    ] {
        // Whether refused or not, neither parsing nor judging overflows the stack.
        if let Ok(condition) = Condition::parse(&text) {
            condition.eval(&scope());
        }
    }
    assert!(
        Condition::parse(&("data.paid && ".repeat(200) + "true")).is_err(),
        "longer than 2,000 characters"
    );
    let many = (0..30).map(|i| format!("customer.country == \"{i}\"")).collect::<Vec<_>>().join(" || ");
    assert_eq!(eval(&many), Truth::False);
}

#[test]
fn the_deepest_that_is_accepted_does_not_overflow() {
    // Half of what a worker's thread has, in the build that needs most.
    let half = std::thread::Builder::new().stack_size(1024 * 1024);
    half.spawn(|| {
        let accepted = |make: &dyn Fn(usize) -> String| {
            let deepest = (1..200).take_while(|n| Condition::parse(&make(*n)).is_ok()).last().unwrap();
            Condition::parse(&make(deepest)).unwrap().eval(&scope());
            deepest
        };
        assert!(accepted(&|n| format!("data{} == 1", ".b".repeat(n))) >= 15);
        assert!(accepted(&|n| format!("data.total{} == 1", " + 1".repeat(n))) >= 15);
        assert!(accepted(&|n| format!("{}data.paid{}", "(".repeat(n), ")".repeat(n))) >= 15);
        assert!(accepted(&|n| format!("size({}{}) == 1", "[".repeat(n), "]".repeat(n))) >= 15);
        assert!(accepted(&|n| format!("{}false", "data.paid ? true : ".repeat(n))) >= 10);
        accepted(&|n| format!("{}data.paid{}", "data.items.exists(i, ".repeat(n), ")".repeat(n)));
        accepted(&|n| format!("{}data.paid{}", "!(".repeat(n), ")".repeat(n)));
        accepted(&|n| format!("{}data.paid{}", "data.paid && (data.paid || ".repeat(n), ")".repeat(n)));
    })
    .unwrap()
    .join()
    .unwrap();
}

#[test]
fn a_scope_may_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Scope>();
    crosses::<Condition>();
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(text.get(error.offset).is_some());
        }
    }

    #[test]
    fn arbitrary_expressions_never_panic(parts in prop::collection::vec(prop::sample::select(vec![
        "data.total", "customer.country", "now", "event.time", "\"é\"", "'x'", "1", "2.5", "[1, 2]", "{'a': 1}", "data.items",
        " + ", " - ", " * ", " / ", " % ", " == ", " >= ", " && ", " || ", " in ", "!", "-", " ? ", " : ", "(", ")", "[", "]", ".",
        "size(", ".exists(i, i", ".map(i, ", "has(", "timestamp(", "duration(", "int(", ".matches(", ",", "null", "true",
        "9223372036854775807", ".?a", "\n", "é",
    ]), 1..14)) {
        let text = parts.concat();
        match Condition::parse(&text) {
            Ok(condition) => { condition.eval(&scope()); }
            Err(error) => prop_assert!(text.get(error.offset).is_some()),
        }
    }
}

/// `EXPRESSION: RESULT` of a condition and, deeper by one dot, of its parts, a star before those that decided.
fn told(judged: &Judged, depth: usize, out: &mut Vec<String>) {
    for part in &judged.parts {
        let star = if judged.is_decided_by(part) { "*" } else { "" };
        let reads: Vec<String> = part.reads.iter().map(read).collect();
        let reads = if reads.is_empty() { String::new() } else { format!(" [{}]", reads.join(", ")) };
        out.push(format!("{}{star}{}: {:?}{reads}", ".".repeat(depth), part.expression, part.truth));
        told(part, depth + 1, out);
    }
}

fn read(read: &explain::Read) -> String {
    format!("{}={}", read.path, read.value.as_ref().map_or("-".to_owned(), Value::to_string))
}

#[test]
fn which_part_decided() {
    let check = |text: &str, expected: &[&str]| {
        let judged = Condition::parse(text).unwrap().explain(&scope());
        assert_eq!(judged.truth, eval(text), "{text}");
        let mut parts = Vec::new();
        told(&judged, 0, &mut parts);
        assert_eq!(parts, expected, "{text}");
    };
    check("data.total >= 100", &[]);
    check(
        r#"data.total >= 50 && customer.country == "DE""#,
        &[
            "data.total >= 50: True [data.total=60]",
            r#"*customer.country == "DE": False [customer.country="FR"]"#,
        ],
    );
    // Neither a missing field beside a false one nor an operator within a text or a bracket.
    check(
        r#"data.name == "a && b" && customer.vip && (data.paid || data.qty > 9)"#,
        &[
            r#"*data.name == "a && b": False [data.name="Zoé"]"#,
            r#"customer.vip: Unknown("customer.vip") [customer.vip=-]"#,
            "data.paid || data.qty > 9: True",
            ".*data.paid: True [data.paid=true]",
            ".data.qty > 9: False [data.qty=3]",
        ],
    );
    check(
        "(data.qty > 9 || customer.vip)",
        &["data.qty > 9: False [data.qty=3]", r#"*customer.vip: Unknown("customer.vip") [customer.vip=-]"#],
    );
    check(
        "!(data.paid && data.qty == 3)",
        &[
            "*data.paid && data.qty == 3: True",
            ".*data.paid: True [data.paid=true]",
            ".*data.qty == 3: True [data.qty=3]",
        ],
    );
    // What cannot be divided: a choice, a loop, and an operand that is no condition by itself.
    check(r#"data.paid && data.qty > 1 ? data.total > 1 : data.exact > 1.0 || data.paid"#, &[]);
    check(r#"data.items.exists(i, i.sku == "A" && i.price > 1)"#, &[]);
    check(r#"!("vip" in data.items)"#, &[]);
}

#[test]
fn what_was_read_is_shown_as_it_stood() {
    let judged = |text: &str| Condition::parse(text).unwrap().explain(&scope());
    let reads = |text: &str| judged(text).reads.iter().map(read).collect::<Vec<_>>().join(" ");
    assert_eq!(reads("data.total + data.exact > 1"), "data.total=60 data.exact=59.9");
    assert_eq!(reads("data.nothing == null"), "data.nothing=null");
    assert_eq!(reads("has(data.gone) || event.type == \"x\""), "");
    assert_eq!(reads("event.type == entry.key"), r#"event.type="cart.updated" entry.key="cart-1""#);
    assert_eq!(reads("now > event.time"), r#"now="2026-11-22T10:00:00Z" event.time="2026-11-22T10:00:00Z""#);
    assert_eq!(reads("size(customer) > 1"), "", "not the whole customer");
    let json = serde_json::to_value(judged("customer.vip && data.paid")).unwrap();
    assert_eq!((&json["result"], &json["why"]), (&"unknown".into(), &"customer.vip".into()));
    assert_eq!((&json["join"], &json["parts"][1]["result"]), (&"all".into(), &"true".into()));
}
