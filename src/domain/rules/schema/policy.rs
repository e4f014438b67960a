//! The schema of the policy.

use serde_json::{Value, json};

use super::shapes::{
    NAME, any_of, choice, duration, form, form_or_number, list, mapping, name, named, number, one_or_list,
    switch, text,
};
use crate::domain::hours::holidays::Calendar;
use crate::domain::hours::presets;
use crate::domain::rules::policy::{FIELDS, SENDER, caps, hours, purposes, register, retention as kept, sms};

/// A country's code in capitals.
const COUNTRY: &str = "[A-Z]{2}";

/// The file `rules/policy.yaml`.
pub(super) fn policy() -> Value {
    mapping(
        "What all rules share: who writes, in which language, on what ground, and when not.",
        &FIELDS,
        &["default_locale", "default_timezone", "sender"],
        vec![
            (
                "default_locale",
                form(
                    "The language of customers who told us none. Each template must be written in it.",
                    "[a-z]{2,3}(-[A-Za-z0-9]{2,8})*",
                    &["fr", "fr-CH"],
                ),
            ),
            (
                "default_timezone",
                form("The time zone of customers who told us none.", "\\S+", &["Europe/Paris"]),
            ),
            (
                "purposes",
                named(
                    "Why we may write, beside `marketing`, `service` and `transactional`, which are always there. A rule \
                     names one of them.",
                    NAME,
                    any_of("The legal basis alone, or with more.", vec![basis(), own_purpose()]),
                ),
            ),
            ("sender", sender()),
            (
                "max_age",
                duration(
                    "An event older than this starts no rule, so that an import mails nobody (default: 24h).",
                    &["24h"],
                ),
            ),
            (
                "catch_up",
                duration(
                    "How late a birthday or a schedule may come after the worker was down (default: 12h).",
                    &["12h"],
                ),
            ),
            (
                "default_country",
                country("The country of customers who do not say, and whose number does not tell."),
            ),
            ("quiet_hours", quiet_hours()),
            (
                "frequency_caps",
                list("How much one customer may get at most. All caps that fit hold together.", 0, cap()),
            ),
            ("sms", sms()),
            ("register", register()),
            ("retention", retention()),
        ],
    )
}

fn retention() -> Value {
    let kind = |name: &'static str, what: &str| {
        let fields = vec![
            ("active", span("How long they are used.")),
            (
                "archive",
                span(
                    "How long they are kept after that, sealed and out of use; without it they are deleted at once.",
                ),
            ),
        ];
        (name, mapping(what, &kept::PHASES, &["active"], fields))
    };
    mapping(
        "How long each kind of data is kept. A kind that is not named is kept without an end, texts for 90 days, and reports \
         on mails as the configuration says.",
        &kept::KINDS,
        &[],
        vec![
            kind("events", "Events, from their own time on. No rule may look back further."),
            kind("messages", "Messages, from their last change on, with their outcomes and entries."),
            kind("promo_codes", "Promo codes, from the end of their validity on."),
            kind("customers", "Customers, from their last event on."),
            kind(
                "consents",
                "Ledgers of consents whole, from the end of the relation on. They have no archive.",
            ),
            kind("texts", "What customers wrote by telephone. It has no archive."),
            kind("bounces", "Reports on mails that came back. They have no archive."),
            kind("dead_letters", "What could not be used. It has no archive."),
        ],
    )
}

fn span(description: &str) -> Value {
    form(description, "([0-9]+(y|mo|[wdhms]))+", &["3y", "18mo", "90d"])
}

fn basis() -> Value {
    choice(
        "The legal basis of this purpose.",
        [
            ("consent", "only to customers who said yes"),
            ("legitimate_interest", "to all but those who said no"),
            ("contract", "always: the message belongs to an order"),
        ],
    )
}

fn own_purpose() -> Value {
    let label = form("What customers are told it is, in one line.", "\\S.*", &["Notre lettre du jeudi"]);
    mapping(
        "A purpose with what customers are told of it.",
        &purposes::FIELDS,
        &["basis"],
        vec![
            ("basis", basis()),
            (
                "label",
                named(
                    "What the pages call it, by language; without it, by its name.",
                    "[a-z]{2,3}(-[A-Za-z0-9]{2,8})*",
                    label,
                ),
            ),
            (
                "double_opt_in",
                switch("A grant counts once a link in a message of ours has confirmed it.", false),
            ),
            ("confirm_within", duration("For how long such a link confirms (default: 30d).", &["30d"])),
        ],
    )
}

fn sender() -> Value {
    mapping(
        "Who writes. The law wants a name and a postal address in each mail.",
        &SENDER,
        &["name", "email", "postal_address"],
        vec![
            ("name", text("The shop's name, which mail programs show as the sender.")),
            ("email", address("The address that mails come from.")),
            ("reply_to", address("Where answers go (default: to the address that mails come from).")),
            (
                "website",
                form("The shop's address on the web.", "https?://\\S+", &["https://my-shop.example"]),
            ),
            ("postal_address", text("The shop's postal address, on one line.")),
        ],
    )
}

fn address(description: &str) -> Value {
    form(description, "[^\\s<>,@]+@[^\\s<>,@]+\\.[^\\s<>,@]+", &["contact@my-shop.example"])
}

fn country(description: &str) -> Value {
    form(description, COUNTRY, &["FR"])
}

fn channel() -> (&'static str, Value) {
    ("channel", choice("The channel; without it, both.", [("email", ""), ("sms", "")]))
}

fn purpose() -> (&'static str, Value) {
    let description = "The purpose; without it, all but those whose basis is `contract`.";
    ("purpose", name(description, &["marketing", "service", "transactional"]))
}

fn quiet_hours() -> Value {
    mapping(
        "When a channel may be used, on the customer's own clock.",
        &hours::FIELDS,
        &[],
        vec![
            (
                "spread",
                any_of(
                    "What had to wait leaves within this time after the hours begin, not all in the first second.",
                    vec![
                        duration("Each message at its own moment within this time.", &["15m"]),
                        choice("All at once.", [("none", "")]),
                    ],
                ),
            ),
            ("rules", list("The first rule that fits holds: put the narrower one first.", 0, hours_rule())),
        ],
    )
}

fn hours_rule() -> Value {
    let words = [("none", "none"), ("local", "those of the customer's country")];
    let calendars = Calendar::ALL.map(|calendar| (calendar.name(), ""));
    let mut rule = mapping(
        "For whom, and the hours in which messages may go: a preset by `use`, or your own by `allowed`.",
        &hours::RULE,
        &[],
        vec![
            channel(),
            purpose(),
            (
                "country",
                one_or_list(
                    "The customer's country; without it, all.",
                    1,
                    country("The two capital letters of ISO 3166-1, such as FR or RE."),
                ),
            ),
            (
                "use",
                choice(
                    "A preset; `none` lets messages go at any time.",
                    presets::names().chain(["none"]).map(|name| (name, "")),
                ),
            ),
            ("allowed", allowed()),
            (
                "holidays",
                choice(
                    "The public holidays on which nothing goes (default: the preset's; with `allowed`, none).",
                    words.into_iter().chain(calendars),
                ),
            ),
        ],
    );
    rule["oneOf"] = json!([{ "required": ["use"] }, { "required": ["allowed"] }]);
    rule
}

fn allowed() -> Value {
    let range = || {
        let one = form("From when to when, like `08:00-20:00`.", "[0-9:]+ *- *[0-9:]+", &["08:00-20:00"]);
        one_or_list("The hours of the day, or several in a list.", 1, one)
    };
    let days = "(mon|tue|wed|thu|fri|sat|sun)( *- *(mon|tue|wed|thu|fri|sat|sun))?";
    let mut week = named("The hours of each day; one that is not named has none.", days, range());
    week["minProperties"] = json!(1);
    any_of("Hours of your own: the same every day, or by day (`mon`, `mon-fri`).", vec![range(), week])
}

fn cap() -> Value {
    mapping(
        "At most so many messages in such a time.",
        &caps::FIELDS,
        &["limit"],
        vec![
            channel(),
            purpose(),
            (
                "limit",
                form(
                    "How many, in which time: `2 per 7d`, `1 per day`, `3 per week`.",
                    "[0-9]+ +per +(([0-9]+[wdhms])+|hour|day|week)",
                    &["2 per 7d", "1 per day"],
                ),
            ),
            (
                "when_full",
                choice(
                    "What becomes of a message too many (default: skip).",
                    [
                        ("skip", "it is not sent"),
                        ("defer", "it waits until there is room, or comes too late"),
                    ],
                ),
            ),
        ],
    )
}

fn sms() -> Value {
    mapping(
        "How SMS are written, and who they come from.",
        &sms::FIELDS,
        &[],
        vec![
            (
                "sender",
                form_or_number(
                    "What telephones show: a name of 3 to 11 letters, a number with `+`, or a short code.",
                    "\\S.*",
                    &["MaisonLumen"],
                ),
            ),
            (
                "senders",
                named(
                    "The sender in a country that needs another, such as a number in the United States.",
                    COUNTRY,
                    form_or_number("A name, a number with `+`, or a short code.", "\\S.*", &["+14155552671"]),
                ),
            ),
            (
                "stop_number",
                form_or_number(
                    "Where STOP is sent, as nobody can reply to a name.",
                    "\\+?[0-9]+",
                    &["36180"],
                ),
            ),
            ("max_segments", number("`declic check` warns of a text that may take more segments.", 1, 10, 2)),
            ("transliterate", switch("Writes rare letters plainly where that saves a segment.", true)),
            (
                "segment_cost",
                form(
                    "What a segment costs, for estimates.",
                    "[0-9]{1,6}(\\.[0-9]{1,5})? +[A-Z]{3}",
                    &["0.045 EUR"],
                ),
            ),
        ],
    )
}

fn register() -> Value {
    let who = |description: &str| form(description, "\\S.*", &["Jane Doe, dpo@my-shop.example"]);
    mapping(
        "What the register of processing (`declic register`) says beside all this.",
        &register::FIELDS,
        &[],
        vec![
            (
                "joint_controller",
                who("Who decides with you what data is used for, and how they are reached."),
            ),
            (
                "representative",
                who("Your representative in the European Union, for a shop outside of it (GDPR article 27)."),
            ),
            (
                "dpo",
                who(
                    "The data protection officer and how they are reached; `none` where the law asks for none.",
                ),
            ),
            (
                "safeguards",
                named(
                    "What protects data with a provider outside of the European Economic Area, by its country.",
                    COUNTRY,
                    form(
                        "The ground of the transfer.",
                        "\\S.*",
                        &["standard contractual clauses of 2021/914"],
                    ),
                ),
            ),
        ],
    )
}
