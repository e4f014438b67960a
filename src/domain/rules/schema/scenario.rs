//! The schema of a rule test.

use serde_json::{Value, json};

use super::shapes::{
    any, any_of, choice, duration, event, form, form_or_number, list, mapping, name, named, nothing_or,
    one_or_list, open, switch, text,
};
use crate::domain::rules::scenario::expect::{self, COMMON, NOT_SENT, WORDS};
use crate::domain::rules::scenario::people::{CHANNELS, STATUSES};
use crate::domain::rules::scenario::story::{FILE, HAPPENING, TEST};
use crate::domain::verdict::Reason;

/// A date and a time, with or without its zone.
const DATED: &str = "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9].*";

/// How long after the start.
const SINCE: &str = "\\+?(0|([0-9]+[wdhms])+)";

/// One file `rules/NAME.test.yaml`.
pub(super) fn test() -> Value {
    let mut schema = mapping(
        "What a rule is meant to do: customers, what happens to them, and the messages that must come of it. Run it with \
         `declic test`.",
        &FILE,
        &["tests"],
        vec![
            ("start", start("When the tests of this file begin.")),
            (
                "customers",
                customers("The customers of all tests here. A test may change what is said of them."),
            ),
            ("rules", rules()),
            ("tests", list("The tests. Begin each with a dash and its name.", 0, one())),
        ],
    );
    // Each test takes it from here or says it itself.
    schema["anyOf"] = json!([
        { "required": ["start"] },
        { "properties": { "tests": { "items": { "required": ["start"] } } } },
    ]);
    schema["definitions"] =
        json!({ "reason": choice("Why.", Reason::ALL.iter().map(|r| (r.as_str(), r.words()))) });
    schema
}

fn one() -> Value {
    mapping(
        "One test: a short story, and what must come of it.",
        &TEST,
        &["name", "expect"],
        vec![
            ("name", text("What is meant to happen, in words: `A small cart is recalled once`.")),
            ("start", start("When this test begins.")),
            (
                "customers",
                customers("Who there is in this test, laid over what stands at the top of the file."),
            ),
            ("rules", rules()),
            ("events", list("What happens, in the order in which it reaches us.", 0, happening())),
            (
                "expect",
                list(
                    "The messages that must come, all of them, also those that are decided about and not sent. Write [] \
                     for none.",
                    0,
                    expected(),
                ),
            ),
        ],
    )
}

fn start(description: &str) -> Value {
    let examples = ["2026-03-02 10:00", "2026-03-02 10:00 America/Montreal"];
    form(&format!("{description} A real date, on the clock of the shop."), DATED, &examples)
}

fn instant(description: &str) -> Value {
    let examples = ["0m", "1h", "1d2h", "2026-03-03 09:00"];
    form_or_number(description, &format!("({SINCE}|{DATED})"), &examples)
}

fn rules() -> Value {
    one_or_list(
        "The rules that it is about, or `all`; without it, the rule beside which the file stands.",
        0,
        name("The name of a rule.", &["welcome"]),
    )
}

fn customers(description: &str) -> Value {
    let profile = open(
        "What is known of this customer before the start. Add whatever your rules and templates read.",
        vec![
            ("email", any("The address.", &["alice@example.com"])),
            ("phone", any("The number of the telephone.", &["+33612345678"])),
            ("first_name", any("The first name.", &["Alice"])),
            ("locale", any("The language, and the country whose way of writing dates.", &["fr-FR"])),
            ("timezone", any("Where the customer's clock is.", &["Europe/Paris"])),
            ("country", any("The country of residence.", &["FR"])),
            ("birthday", any("The date of birth.", &["1990-02-28"])),
            ("consents", consents()),
        ],
    );
    named(description, ".+", nothing_or("A customer: give each a short name.", profile))
}

fn consents() -> Value {
    let word = |status| match status {
        "granted" => (status, "the customer said yes"),
        "pending" => (status, "asked, and not confirmed yet"),
        "denied" => (status, "the customer said no"),
        _ => (status, "the customer said yes first, then no"),
    };
    let status = choice("What the customer said.", STATUSES.map(|status| word(status.as_str())));
    let by_purpose = named("By purpose: marketing, service, or one of the shop's own.", ".+", status);
    let channels = CHANNELS.map(|channel| channel.as_str());
    mapping(
        "What the customer has agreed to, by channel and purpose.",
        &channels,
        &[],
        channels.map(|channel| (channel, by_purpose.clone())).to_vec(),
    )
}

/// An event or a move of the clock, which are told apart by what they may hold.
fn happening() -> Value {
    let (clock, event_fields): (Vec<&str>, Vec<&str>) = HAPPENING.iter().partition(|name| **name == "clock");
    let event = mapping(
        "An event, as the shop sends it.",
        &event_fields,
        &["event"],
        vec![
            (
                "at",
                instant("When it happens: how long after the start, or a date. Without it, at the start."),
            ),
            ("customer", text("Whom it is about; it goes without saying where there is only one.")),
            ("event", event("The type of the event.")),
            (
                "data",
                nothing_or("The data of the event.", open("The data that the shop sends with it.", vec![])),
            ),
        ],
    );
    let clock = mapping(
        "Lets time pass, for birthdays and schedules, or so that the next event arrives late.",
        &clock,
        &["clock"],
        vec![("clock", instant("The time to which the clock goes on."))],
    );
    any_of("An event, or a move of the clock.", vec![event, clock])
}

/// One shape for each kind, so that an editor offers only what may stand together.
fn expected() -> Value {
    let whole = mapping("All that can be said.", &expect::fields(), &[], said());
    let kind = |description: &str, name: &str, more: &[&str], required: &[&str]| {
        let known = [&COMMON[..], &[name], more].concat();
        let fields = known.iter().map(|field| (*field, whole["properties"][field].clone())).collect();
        let mut shape = mapping(description, &known, &[&[name], required].concat(), fields);
        shape["dependencies"] = json!({ "within": ["at"] });
        shape
    };
    // An SMS has no subject.
    let sms: Vec<&str> = WORDS.into_iter().filter(|name| *name != "subject").collect();
    let kinds = vec![
        kind("An e-mail goes out.", "email", &WORDS, &["at"]),
        kind("An SMS goes out.", "sms", &sms, &["at"]),
        kind("An e-mail is decided about and not sent.", "email", &[NOT_SENT], &[NOT_SENT]),
        kind("An SMS is decided about and not sent.", "sms", &[NOT_SENT], &[NOT_SENT]),
        kind("The rule does not begin.", "not_begun", &[], &[]),
        kind("The rule's run ends before its last step.", "ended", &[], &[]),
        kind("An `if` step cannot be told, and does neither branch.", "neither", &[], &[]),
    ];
    any_of("What must come: a message, or what happens to a rule instead.", kinds)
}

/// The fields of all kinds together.
fn said() -> Vec<(&'static str, Value)> {
    let part = text("A part of the text. White space does not matter.");
    vec![
        ("at", instant("When: how long after the start, or a date.")),
        ("within", duration("How much later than `at` it may be, such as the policy's `spread`.", &["15m"])),
        ("customer", text("To whom; it goes without saying where there is only one.")),
        ("rule", name("By which rule, where the test is about several.", &["welcome"])),
        ("email", text("The template of the e-mail: a folder of templates/.")),
        ("sms", text("The template of the SMS: a folder of templates/.")),
        (NOT_SENT, reason("It does not go, for this reason.")),
        ("not_begun", reason("The rule does not begin, for this reason.")),
        ("ended", reason("The rule's run ends early, for this reason.")),
        ("neither", text("The id of an `if` step that cannot be told.")),
        ("subject", text("The whole subject.")),
        ("contains", one_or_list("A part of the text, or a list of parts.", 0, part)),
        ("promo_code", switch("Whether it carries a promo code.", false)),
        ("locale", text("The language of the template that is used.")),
        ("to", text("The address that it goes to.")),
    ]
}

fn reason(description: &str) -> Value {
    json!({ "description": description, "allOf": [{ "$ref": "#/definitions/reason" }] })
}
