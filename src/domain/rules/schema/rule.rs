//! The schema of a rule.

use serde_json::{Value, json};

use super::shapes::{
    NAME, after_duration, any_of, choice, condition, duration, event, form, form_or_number, list, mapping,
    name, number, one_or_list, switch, text, time,
};
use crate::domain::rules::{steps, syntax, triggers};

/// One file `rules/NAME.yaml`.
pub(super) fn rule() -> Value {
    let mut schema = mapping(
        "A rule says what starts a message, what is asked before it goes, and which messages follow.",
        &syntax::FIELDS,
        &["rule", "purpose", "trigger", "steps"],
        vec![
            ("rule", name("The rule's name: the same as the file's, in small letters.", &["welcome"])),
            ("description", text("What the rule is for, in a sentence for your colleagues.")),
            ("enabled", switch("`false` begins nothing and ends what is under way.", true)),
            ("purpose", purpose()),
            (
                "priority",
                number(
                    "Who goes first where a frequency cap leaves room for one message: higher first, from -100 to 100.",
                    -100,
                    100,
                    0,
                ),
            ),
            ("trigger", trigger()),
            ("re_entry", re_entry()),
            (
                "exit_on",
                one_or_list(
                    "Events that end a run under way: whoever has bought hears no more of the cart.",
                    0,
                    event("The type of an event that ends a run under way."),
                ),
            ),
            (
                "on_change",
                choice(
                    "What becomes of customers under way when this rule is edited (default: keep).",
                    [
                        ("keep", "they go on by the version that they began with"),
                        ("migrate", "they go on in the new version, at the step of the same id"),
                        ("exit", "they end"),
                    ],
                ),
            ),
            ("steps", json!({ "$ref": "#/definitions/steps" })),
        ],
    );
    let step = "One step: `wait`, `send`, `if` or `promo_code`.";
    let step = any_of(step, vec![wait(), send(), branch(), promo_code()]);
    schema["definitions"] =
        json!({ "steps": list("What is done, in this order. Begin each step with a dash.", 1, step) });
    schema
}

fn purpose() -> Value {
    let description = "Why we write: one of the purposes of rules/policy.yaml. It decides whose consent is needed: \
        `marketing` goes only to those who agreed, `service` to all but those who said no, `transactional` always.";
    name(description, &["marketing", "service", "transactional"])
}

fn re_entry() -> Value {
    let description =
        "What happens when the trigger comes again for the same customer and key (default: never).";
    any_of(
        description,
        vec![
            choice(
                description,
                [
                    ("never", "once for ever"),
                    ("always", "each event starts a run of its own"),
                    ("restart", "the run under way ends, a new one begins"),
                ],
            ),
            after_duration("Only if the last run began at least that long ago."),
            mapping(
                "Only if the last run began at least that long ago.",
                &syntax::RE_ENTRY,
                &["after"],
                vec![("after", duration("How long ago the last run must have begun.", &["30d"]))],
            ),
        ],
    )
}

fn trigger() -> Value {
    let kinds = triggers::TRIGGERS.map(|(kind, known)| match kind {
        "event" => mapping(
            "Starts with each event of this type.",
            known,
            &["event"],
            vec![("event", event("The type of the event that starts this rule.")), ("if", starts_if()), key()],
        ),
        "absent" => mapping(
            "Starts when the customer's last event of this type is so long ago.",
            known,
            &["absent", "for"],
            vec![
                ("absent", event("The type of the event that has not come again.")),
                ("for", duration("How long after the customer's last such event.", &["90d"])),
                ("if", starts_if()),
                key(),
            ],
        ),
        "anniversary" => mapping(
            "Starts each year on a date of the customer's profile.",
            known,
            &["anniversary", "at"],
            vec![
                (
                    "anniversary",
                    form("The customer's field that holds the date.", "customer\\.[^. \\[]+", &["customer.birthday"]),
                ),
                ("at", time("The time of day where the customer lives, in quotes: \"09:00\".")),
                (
                    "leap_day",
                    choice(
                        "When those born on 29 February are wished well in other years (default: feb28).",
                        [("feb28", "on 28 February"), ("mar1", "on 1 March"), ("skip", "not at all")],
                    ),
                ),
            ],
        ),
        _ => mapping(
            "Starts at set times, for an audience.",
            known,
            &["schedule"],
            vec![
                (
                    "schedule",
                    form(
                        "When, as a line of cron: minute, hour, day of the month, month, day of the week (by name). Or \
                         `@daily`, `@weekly` and the like.",
                        "\\S.*",
                        &["0 9 * * Mon", "0 10 1 * *", "@weekly"],
                    ),
                ),
                (
                    "timezone",
                    form(
                        "The time zone of these times (default: each customer's own).",
                        "\\S+",
                        &["Europe/Paris"],
                    ),
                ),
                (
                    "audience",
                    condition(
                        "For whom; without it, for everybody.",
                        &["customer.country == \"FR\" && \"vip\" in customer.tags"],
                    ),
                ),
            ],
        ),
    });
    any_of(
        "What starts the rule: an `event`, an `absent` one, an `anniversary` or a `schedule`.",
        kinds.to_vec(),
    )
}

fn starts_if() -> Value {
    condition("Starts only where this holds.", &["size(data.items) > 0", "data.total >= 50"])
}

fn key() -> (&'static str, Value) {
    let description = "The field of the event that tells two runs of one customer apart, such as two carts. An event \
        without it starts nothing.";
    ("key", form(description, "(event\\.)?data\\.[^\\s\\[(]+", &["data.cart_id", "data.order_id"]))
}

fn wait() -> Value {
    let length = duration("How long: `15m`, `1h`, `7d`, `2w`. A day is 24 hours.", &["1h", "1d", "7d"]);
    let until = mapping(
        "Until the next such time of day.",
        &steps::WAIT,
        &["until"],
        vec![("until", time("The time of day where the customer lives, in quotes: \"09:00\".")), id()],
    );
    mapping(
        "Waits a while, or until the next such time of the customer's day.",
        &steps::WAIT_STEP,
        &["wait"],
        vec![("wait", any_of("How long to wait, or until when.", vec![length, until])), id()],
    )
}

fn send() -> Value {
    let names = format!("{NAME}(/{NAME})*");
    let mut message = mapping(
        "Which templates, by which channels; each needs the customer's consent on its own.",
        &steps::SEND,
        &[],
        vec![
            (
                "email",
                form_or_number("The template of the e-mail: a folder of templates/.", &names, &["welcome"]),
            ),
            ("sms", form_or_number("The template of the SMS: a folder of templates/.", &names, &["welcome"])),
            (
                "prefer",
                choice(
                    "Sends by this channel alone, and by the other one where it is not possible: no consent, no address, \
                     or a dead one.",
                    [("email", ""), ("sms", "")],
                ),
            ),
            (
                "expire_after",
                duration(
                    "How long after its time the message may still go (default: 24h). A birthday wish half a day late \
                     is worse than none.",
                    &["12h", "3d"],
                ),
            ),
            (
                "confirm",
                name(
                    "The purpose that the link `confirm_url` of the template confirms. It goes only to customers who have \
                     not confirmed yet, and not to those who have said no since.",
                    &["newsletter"],
                ),
            ),
            (
                "wait_for_consent",
                duration("Waits here, at most so long, for a customer who has not agreed yet.", &["7d"]),
            ),
            id(),
        ],
    );
    message["anyOf"] = json!([{ "required": ["email"] }, { "required": ["sms"] }]);
    message["dependencies"] = json!({ "prefer": ["email", "sms"] });
    mapping("Sends an e-mail, an SMS or both.", &steps::SEND_STEP, &["send"], vec![("send", message), id()])
}

fn branch() -> Value {
    mapping(
        "Goes one way or another. Where the condition cannot be told, neither.",
        &steps::IF_STEP,
        &["if", "then"],
        vec![
            ("if", condition("What is asked when this step is due.", &["data.total >= 50"])),
            ("then", json!({ "$ref": "#/definitions/steps" })),
            ("else", json!({ "$ref": "#/definitions/steps" })),
            id(),
        ],
    )
}

fn promo_code() -> Value {
    let code = mapping(
        "A code of the customer's own, for the `send` that follows.",
        &steps::PROMO_CODE,
        &["prefix", "discount", "valid_for"],
        vec![
            (
                "prefix",
                form(
                    "What the code begins with: at most 10 capital letters and digits.",
                    "[A-Z0-9]{1,10}",
                    &["BDAY"],
                ),
            ),
            (
                "discount",
                form(
                    "What it is worth: `15%` or `5 EUR`.",
                    "[0-9]+(\\.[0-9]{1,2})? *(%|[A-Z]{3})",
                    &["10%", "5 EUR"],
                ),
            ),
            ("valid_for", duration("How long it may be used, from the planned send.", &["7d", "30d"])),
            id(),
        ],
    );
    mapping(
        "Makes a promo code, which the next `send` carries.",
        &steps::PROMO_CODE_STEP,
        &["promo_code"],
        vec![("promo_code", code), id()],
    )
}

fn id() -> (&'static str, Value) {
    let description = "A name of your own for this step, by which it is found again after an edit and named in lists of \
        messages. It must be the only one in the file.";
    ("id", name(description, &["reminder"]))
}
