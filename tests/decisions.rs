//! What the core decides, case by case: rules and events in, messages with their planned instants out. Runs without any
//! server, through the simulator, which is the worker's own core.

use chrono::{DateTime, Utc};
use declic::active::Checked;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::simulate::{Simulation, stand_in_secret};

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n";

const TEMPLATE: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>\
    {{#if unsubscribe_url}}{{unsubscribe_url}}{{/if}}</mj-text></mj-column></mj-section></mj-body></mjml>\n";

/// Events are written `TIME TYPE CUSTOMER DATA`, one a line; a type without a dot is `customer.signed_up` (`new`),
/// `customer.updated` (`set`) or `consent.changed` (`word`).
fn parse(line: &str, number: usize) -> Event {
    let mut parts = line.trim().splitn(4, ' ');
    let (time, kind) = (parts.next().unwrap(), parts.next().unwrap());
    let kind = match kind {
        "new" => "customer.signed_up",
        "set" => "customer.updated",
        "word" => "consent.changed",
        other => other,
    };
    Event {
        id: format!("e{number}"),
        source: "/t".into(),
        kind: kind.into(),
        subject: parts.next().unwrap().into(),
        time: instant(time),
        data: serde_json::from_str(parts.next().unwrap_or("{}")).unwrap(),
        trace: None,
    }
}

/// `2026-11-23T10:00Z`, seconds left out.
fn instant(text: &str) -> DateTime<Utc> {
    let text = text.strip_suffix('Z').unwrap();
    format!("{text}:00Z").parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Runs the events through one rule (its body; the name is `r`) and compares `TIME CUSTOMER TEMPLATE [REASON]`.
fn check(case: &str, rule: &str, events: &str, until: &str, expected: &str) {
    check_by(case, "", &[("r", rule)], events, until, expected);
}

/// The same with more in the policy, and with several rules.
fn check_by(case: &str, policy: &str, rules: &[(&str, &str)], events: &str, until: &str, expected: &str) {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let mut files = vec![file("rules/policy.yaml", &format!("{POLICY}{policy}"))];
    for (name, body) in rules {
        files.push(file(&format!("rules/{name}.yaml"), &format!("rule: {name}\n{body}")));
    }
    files.extend(["a", "b"].map(|name| file(&format!("templates/{name}/email.fr.mjml"), TEMPLATE)));
    files.push(file("templates/s/sms.fr.txt", "Bonjour {{customer.first_name}}… {{message_id}}\n"));
    let checked = Checked::new(&files);
    assert!(!checked.has_errors(), "{case}: {}", render(&checked.diagnostics, &files, false));
    let active = checked.activate(&files, stand_in_secret());
    let events = events.lines().filter(|l| !l.trim().is_empty()).enumerate().map(|(i, l)| parse(l, i));
    let events: Vec<Event> = events.collect();
    let mut simulation = Simulation::new(&active, "http://x", events[0].time);
    events.into_iter().for_each(|event| simulation.event(event));
    simulation.run_until(instant(until));
    let (lines, _) = simulation.into_lines();
    let shown: Vec<String> = lines
        .iter()
        .map(|l| {
            let at = l.at.format("%Y-%m-%dT%H:%MZ");
            let reason = l.reason.map(|r| format!(" {r}")).unwrap_or_default();
            format!("{at} {} {}{reason}", l.customer, l.template)
        })
        .collect();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(shown, expected, "{case}");
}

const MAIL: &str = r#"{"email":"c@x.fr"}"#;

#[test]
fn what_still_waits_ends_with_its_entry() {
    let policy = "frequency_caps: [{ channel: email, limit: 1 per 12h, when_full: defer }]\n\
        sms: { sender: \"36180\" }\nquiet_hours: { spread: none, rules: [] }\n";
    let rule = |send: &str| {
        format!(
            "purpose: marketing\ntrigger: {{ event: cart, if: data.n > 0, key: data.k }}\nre_entry: restart\n\
             exit_on: [order, cart.emptied]\nsteps: [{{ wait: 1h }}, {{ send: {{ {send}, expire_after: 3d }} }}]\n"
        )
    };
    let sms = rule("sms: s");
    // A Sunday evening in Paris: the SMS waits for Monday, 08:00 there.
    let events = |after: &str| {
        format!(
            "2026-11-22T08:00Z new c {{\"email\":\"c@x.fr\",\"first_name\":\"Ana\",\"phone\":\"+33612345678\",\"consents\":[{{\"channel\":\"sms\",\"purpose\":\"marketing\",\"status\":\"granted\"}},{{\"channel\":\"email\",\"purpose\":\"marketing\",\"status\":\"granted\"}}]}}
             2026-11-22T18:30Z cart c {{\"k\":1,\"n\":1}}
             {after}"
        )
    };
    let fate = |case: &str, rule: &str, after: &str, expected: &str| {
        let events = events(after);
        check_by(case, policy, &[("r", rule)], &events, "2026-12-01T00:00Z", expected);
    };
    let (goes, exited) = ("2026-11-23T07:00Z c s", "2026-11-23T07:00Z c s exited");
    fate("nothing comes between", &sms, "", goes);
    fate("an order before it leaves", &sms, "2026-11-22T22:00Z order c {}", exited);
    fate("the last minute", &sms, "2026-11-23T06:59Z order c {}", exited);
    fate("that very instant", &sms, "2026-11-23T07:00Z order c {}", exited);
    fate("an order after it", &sms, "2026-11-23T07:01Z order c {}", goes);
    fate("another cart's", &sms, "2026-11-22T22:00Z cart.emptied c {\"k\":2}", goes);
    fate("this cart's", &sms, "2026-11-22T22:00Z cart.emptied c {\"k\":1}", exited);
    let restarted = "2026-11-23T07:00Z c s restarted\n2026-11-23T07:00Z c s";
    fate("the cart changes again", &sms, "2026-11-22T22:00Z cart c {\"k\":1,\"n\":2}", restarted);
    fate("it would, if it met the condition", &sms, "2026-11-22T22:00Z cart c {\"k\":1,\"n\":0}", goes);
    let preferred = rule("sms: s, email: a, prefer: sms");
    fate("nor by mail instead", &preferred, "2026-11-22T22:00Z order c {}", exited);
    // Two carts, and room for one mail: the other one waits for the cap.
    let capped = rule("email: a");
    let two = "2026-11-22T18:31Z cart c {\"k\":2,\"n\":1}";
    fate("both go", &capped, two, "2026-11-22T19:30Z c a\n2026-11-23T07:30Z c a");
    fate(
        "what a cap puts off",
        &capped,
        &format!("{two}\n2026-11-23T06:00Z order c {{}}"),
        "2026-11-22T19:30Z c a\n2026-11-23T07:30Z c a exited",
    );
}

#[test]
fn re_entry() {
    let rule = |re_entry: &str| {
        format!(
            "purpose: transactional\ntrigger: {{ event: cart, key: data.k }}\nre_entry: {re_entry}\nsteps: [{{ wait: 1h }}, {{ send: {{ email: a }} }}]\n"
        )
    };
    let events = format!(
        "2026-11-23T08:00Z set c {MAIL}
         2026-11-23T10:00Z cart c {{\"k\":1}}
         2026-11-23T10:30Z cart c {{\"k\":1}}
         2026-11-23T10:40Z cart c {{\"k\":2}}
         2026-11-25T10:00Z cart c {{\"k\":1}}"
    );
    let until = "2026-12-01T00:00Z";
    check(
        "never: once a key",
        &rule("never"),
        &events,
        until,
        "2026-11-23T11:00Z c a\n2026-11-23T11:40Z c a",
    );
    check(
        "always: each time",
        &rule("always"),
        &events,
        until,
        "2026-11-23T11:00Z c a\n2026-11-23T11:30Z c a\n2026-11-23T11:40Z c a\n2026-11-25T11:00Z c a",
    );
    check(
        "restart: the wait begins again",
        &rule("restart"),
        &events,
        until,
        "2026-11-23T11:30Z c a\n2026-11-23T11:40Z c a\n2026-11-25T11:00Z c a",
    );
    check(
        "after 1d: not within a day of the last start",
        &rule("after 1d"),
        &events,
        until,
        "2026-11-23T11:00Z c a\n2026-11-23T11:40Z c a\n2026-11-25T11:00Z c a",
    );
}

#[test]
fn exits() {
    let rule = "purpose: transactional\ntrigger: { event: cart, key: data.k }\nre_entry: always\nexit_on: [order]\n\
        steps: [{ wait: 1h }, { send: { email: a } }, { wait: 1d }, { send: { email: b } }]\n";
    let until = "2026-12-01T00:00Z";
    let with = |order: &str| {
        format!("2026-11-23T08:00Z set c {MAIL}\n2026-11-23T10:00Z cart c {{\"k\":1}}\n{order}")
    };
    check("before the first", rule, &with("2026-11-23T10:59Z order c {\"k\":1}"), until, "");
    check("at the very instant", rule, &with("2026-11-23T11:00Z order c {\"k\":1}"), until, "");
    check(
        "between the two",
        rule,
        &with("2026-11-23T12:00Z order c {\"k\":1}"),
        until,
        "2026-11-23T11:00Z c a",
    );
    check("without a key it ends all", rule, &with("2026-11-23T10:30Z order c"), until, "");
    let both = "2026-11-23T11:00Z c a\n2026-11-24T11:00Z c b";
    check("another key", rule, &with("2026-11-23T10:30Z order c {\"k\":2}"), until, both);
    check("another customer", rule, &with("2026-11-23T10:30Z order d {\"k\":1}"), until, both);
}

#[test]
fn conditions() {
    let rule = "purpose: transactional\ntrigger: { event: cart, if: data.total > 10 }\nre_entry: always\n\
        steps:\n  - if: customer.vip\n    then: [{ send: { email: a } }]\n    else: [{ send: { email: b } }]\n";
    let events = r#"2026-11-23T08:00Z set v {"email":"v@x.fr","vip":true}
        2026-11-23T08:00Z set n {"email":"n@x.fr","vip":false}
        2026-11-23T08:00Z set u {"email":"u@x.fr"}
        2026-11-23T10:00Z cart v {"total":11}
        2026-11-23T10:00Z cart n {"total":11.5}
        2026-11-23T10:00Z cart u {"total":11}
        2026-11-23T10:01Z cart v {"total":10}
        2026-11-23T10:02Z cart v {"total":"many"}
        2026-11-23T10:03Z cart v"#;
    check("branches", rule, events, "2026-11-24T00:00Z", "2026-11-23T10:00Z n b\n2026-11-23T10:00Z v a");
}

#[test]
fn a_fact_that_becomes_known_late_counts_from_its_own_time() {
    let rule = "purpose: transactional\ntrigger: { event: cart, if: customer.country == \"FR\" }\nre_entry: always\n\
        steps: [{ wait: 2h }, { send: { email: a } }]\n";
    let events = r#"2026-11-23T10:00Z cart c
        2026-11-23T09:00Z set c {"email":"c@x.fr","country":"FR"}
        2026-11-23T11:00Z set c {"email":"c@x.fr","country":"BE"}"#;
    check("the country as of the cart", rule, events, "2026-11-24T00:00Z", "2026-11-23T12:00Z c a");
}

#[test]
fn consent_by_purpose() {
    let rule = |purpose: &str| {
        format!("purpose: {purpose}\ntrigger: {{ event: go }}\nsteps: [{{ send: {{ email: a }} }}]\n")
    };
    let events = |purpose: &str| {
        let word = |who: &str, status: &str| {
            format!(
                "2026-11-23T09:00Z word {who} {{\"channel\":\"email\",\"purpose\":\"{purpose}\",\"status\":\"{status}\"}}\n"
            )
        };
        let known: String = ["d", "g", "n", "p", "w"]
            .map(|who| format!("2026-11-23T08:00Z set {who} {{\"email\":\"{who}@x.fr\"}}\n"))
            .concat();
        let words =
            word("d", "denied") + &word("g", "granted") + &word("p", "pending") + &word("w", "withdrawn");
        let go: String =
            ["d", "g", "n", "p", "w"].map(|who| format!("2026-11-23T10:00Z go {who}\n")).concat();
        known + &words + &go
    };
    let until = "2026-11-24T00:00Z";
    let fates = |fates: [&str; 5]| {
        let lines = ["d", "g", "n", "p", "w"].iter().zip(fates);
        lines
            .map(|(who, fate)| format!("2026-11-23T10:00Z {who} a {fate}").trim().to_owned() + "\n")
            .collect::<String>()
    };
    let (no, stop) = ("no_consent", "consent_withdrawn");
    check("marketing", &rule("marketing"), &events("marketing"), until, &fates([stop, "", no, no, stop]));
    check("service", &rule("service"), &events("service"), until, &fates([stop, "", "", "", stop]));
    check("transactional", &rule("transactional"), &events("transactional"), until, &fates([""; 5]));
}

#[test]
fn waiting_for_consent() {
    let rule = "purpose: marketing\ntrigger: { event: go }\nexit_on: [stop]\n\
        steps: [{ send: { email: a, wait_for_consent: 7d } }, { wait: 1d }, { send: { email: b } }]\n";
    let with = |line: &str| format!("2026-11-23T08:00Z set c {MAIL}\n2026-11-23T10:00Z go c\n{line}");
    let grant = |time: &str| {
        with(&format!(
            "{time} word c {{\"channel\":\"email\",\"purpose\":\"marketing\",\"status\":\"granted\"}}"
        ))
    };
    let until = "2026-12-20T00:00Z";
    check(
        "in time",
        rule,
        &grant("2026-11-25T12:00Z"),
        until,
        "2026-11-25T12:00Z c a\n2026-11-26T12:00Z c b",
    );
    check(
        "too late",
        rule,
        &grant("2026-12-15T12:00Z"),
        until,
        "2026-11-30T10:00Z c a no_consent\n2026-12-01T10:00Z c b no_consent",
    );
    check("an exit ends the wait", rule, &with("2026-11-24T10:00Z stop c"), until, "");
}

#[test]
fn absence() {
    let rule = "purpose: transactional\ntrigger: { absent: order, for: 90d }\nsteps: [{ send: { email: a } }, { wait: 10d }, { send: { email: b } }]\n";
    let events = format!(
        "2026-01-01T10:00Z set c {MAIL}
         2026-01-01T12:00Z order c
         2026-02-01T12:00Z order c
         2026-05-07T12:00Z order c"
    );
    check(
        "90 days after the last one, ended by the return, and once more",
        rule,
        &events,
        "2027-01-01T00:00Z",
        "2026-05-02T12:00Z c a\n2026-08-05T12:00Z c a\n2026-08-15T12:00Z c b",
    );
}

#[test]
fn local_time_and_expiry() {
    let wait = "purpose: transactional\ntrigger: { event: go }\nre_entry: always\nsteps: [{ wait: { until: \"09:00\" } }, { send: { email: a } }]\n";
    let events = r#"2026-11-20T08:00Z set apia {"email":"a@x.fr","timezone":"Pacific/Apia"}
        2026-11-20T08:00Z set paris {"email":"p@x.fr","timezone":"Europe/Paris"}
        2026-11-20T08:00Z set stj {"email":"s@x.fr","timezone":"America/St_Johns"}
        2026-11-20T08:00Z set lost {"email":"l@x.fr","timezone":"Mars/Olympus"}
        2026-11-23T08:00Z go paris
        2026-11-23T10:00Z go apia
        2026-11-23T10:00Z go lost
        2026-11-23T10:00Z go stj"#;
    let expected = "2026-11-23T12:30Z stj a
        2026-11-23T20:00Z apia a
        2026-11-24T08:00Z lost a
        2026-11-24T08:00Z paris a";
    check("the next nine o'clock, strictly after", wait, events, "2026-11-26T00:00Z", expected);
}

#[test]
fn birthdays() {
    let rule = |leap: &str| {
        format!(
            "purpose: transactional\ntrigger: {{ anniversary: customer.birthday, at: \"09:00\"{leap} }}\nsteps: [{{ send: {{ email: a }} }}]\n"
        )
    };
    let leapling =
        r#"2027-01-01T00:00Z set c {"email":"c@x.fr","birthday":"1992-02-29","timezone":"Europe/Paris"}"#;
    let until = "2028-12-31T00:00Z";
    let cases = [
        ("", "2027-02-28T08:00Z c a\n2028-02-29T08:00Z c a"),
        (", leap_day: mar1", "2027-03-01T08:00Z c a\n2028-02-29T08:00Z c a"),
        (", leap_day: skip", "2028-02-29T08:00Z c a"),
    ];
    for (leap, expected) in cases {
        check(leap, &rule(leap), leapling, until, expected);
    }
    let zones = r#"2026-11-20T00:00Z set apia {"email":"a@x.fr","birthday":"1990-11-24","timezone":"Pacific/Apia"}
        2026-11-20T00:00Z set paris {"email":"p@x.fr","birthday":"1990-11-24"}
        2026-11-20T00:00Z set stj {"email":"s@x.fr","birthday":"1990-11-24","timezone":"America/St_Johns"}
        2026-11-20T00:00Z set summer {"email":"e@x.fr","birthday":"1990-07-01","timezone":"America/St_Johns"}
        2026-11-20T00:00Z set baby {"email":"b@x.fr","birthday":"2026-11-24"}
        2026-11-20T00:00Z set never {"email":"n@x.fr","birthday":"1990-02-30"}
        2026-11-24T08:30Z set late {"email":"l@x.fr","birthday":"1990-11-24"}"#;
    let expected = "2026-11-23T20:00Z apia a
        2026-11-24T08:00Z paris a
        2026-11-24T12:30Z stj a
        2027-07-01T11:30Z summer a";
    check(
        "zones, the day of birth, and what is learnt too late",
        &rule(""),
        zones,
        "2027-11-01T00:00Z",
        expected,
    );
    let moved = r#"2026-11-20T00:00Z set c {"email":"c@x.fr","birthday":"1990-11-24","timezone":"Pacific/Apia"}
        2026-11-23T22:00Z set c {"timezone":"Europe/Paris"}
        2026-11-24T09:00Z set c {"timezone":"America/St_Johns","birthday":"1990-11-24"}"#;
    check("a move does not bring it back", &rule(""), moved, "2026-12-01T00:00Z", "2026-11-23T20:00Z c a");
}

#[test]
fn schedules() {
    let rule = |line: &str, more: &str| {
        format!(
            "purpose: transactional\ntrigger: {{ schedule: \"{line}\"{more} }}\nsteps: [{{ send: {{ email: a }} }}]\n"
        )
    };
    let spring = r#"2026-03-28T12:00Z set c {"email":"c@x.fr"}"#;
    let nights = "2026-03-29T01:30Z c a\n2026-03-30T00:30Z c a";
    check("the hour that is missing", &rule("30 2 * * *", ""), spring, "2026-03-30T12:00Z", nights);
    let autumn = r#"2026-10-24T12:00Z set c {"email":"c@x.fr"}"#;
    let nights = "2026-10-25T00:30Z c a\n2026-10-26T01:30Z c a";
    check("the hour that comes twice", &rule("30 2 * * *", ""), autumn, "2026-10-26T12:00Z", nights);
    let crowd = r#"2026-11-20T00:00Z set apia {"email":"a@x.fr","country":"WS","tags":["vip"],"timezone":"Pacific/Apia"}
        2026-11-20T00:00Z set fr {"email":"f@x.fr","country":"FR","tags":["vip"]}
        2026-11-20T00:00Z set plain {"email":"p@x.fr","country":"FR","tags":[]}
        2026-11-20T00:00Z set unknown {"email":"u@x.fr","country":"FR"}"#;
    let audience = ", audience: '\"vip\" in customer.tags'";
    let own = "2026-11-22T20:00Z apia a\n2026-11-23T08:00Z fr a";
    check("in the customer's own zone", &rule("0 9 * * Mon", audience), crowd, "2026-11-24T00:00Z", own);
    let fixed = format!("{audience}, timezone: Europe/Paris");
    let same = "2026-11-23T08:00Z apia a\n2026-11-23T08:00Z fr a";
    check("in one zone for all", &rule("0 9 * * Mon", &fixed), crowd, "2026-11-24T00:00Z", same);
}

/// A mail for each event; the purpose needs no consent.
fn told(head: &str) -> String {
    format!(
        "purpose: service\n{head}trigger: {{ event: go }}\nre_entry: always\nsteps: [{{ send: {{ email: a, expire_after: 3d }} }}]\n"
    )
}

const OFFICE: &str = "quiet_hours:\n  spread: 1s\n  rules:\n    - channel: email\n      purpose: service\n      \
    allowed: { mon-fri: \"09:00-18:00\" }\n      holidays: FR\n";

#[test]
fn outside_the_hours_a_mail_waits_for_the_next_ones() {
    let hours = OFFICE;
    let rule = told("");
    // Friday before Christmas 2026, a Friday itself: the next office hours are on Monday the 28th, later than three days.
    let events = format!(
        "2026-12-24T08:00Z set c {MAIL}
         2026-12-24T09:00Z go c {{}}
         2026-12-24T20:00Z go c {{}}
         2026-12-26T10:00Z go c {{}}
         2026-12-28T16:59Z go c {{}}
         2026-12-28T17:00Z go c {{}}"
    );
    check_by(
        "office hours",
        hours,
        &[("r", &rule)],
        &events,
        "2027-01-05T00:00Z",
        "2026-12-24T09:00Z c a
         2026-12-24T20:00Z c a quiet_hours
         2026-12-28T08:00Z c a
         2026-12-28T16:59Z c a
         2026-12-29T08:00Z c a",
    );
    let early: Vec<&str> = events.lines().take(4).collect();
    check_by(
        "still waiting at the end",
        hours,
        &[("r", &rule)],
        &early.join("\n"),
        "2026-12-28T00:00Z",
        "2026-12-24T09:00Z c a
         2026-12-24T20:00Z c a quiet_hours
         2026-12-28T08:00Z c a quiet_hours",
    );
}

#[test]
fn a_full_cap_skips_or_defers_and_the_more_important_rule_goes_first() {
    let events = format!(
        "2026-11-23T08:00Z set c {MAIL}
         2026-11-23T10:00Z go c {{}}
         2026-11-23T10:30Z go c {{}}
         2026-11-24T10:00Z go c {{}}
         2026-11-24T10:01Z go c {{}}"
    );
    let cap = |when_full: &str| {
        format!(
            "frequency_caps:\n  - {{ channel: email, purpose: service, limit: 1 per 24h, when_full: {when_full} }}\n"
        )
    };
    let until = "2026-12-01T00:00Z";
    let rule = told("");
    check_by(
        "skip: a window slides, its end excluded",
        &cap("skip"),
        &[("r", &rule)],
        &events,
        until,
        "2026-11-23T10:00Z c a
         2026-11-23T10:30Z c a frequency_cap
         2026-11-24T10:00Z c a
         2026-11-24T10:01Z c a frequency_cap",
    );
    check_by(
        "defer: each a day after the one before",
        &cap("defer"),
        &[("r", &rule)],
        &events,
        until,
        "2026-11-23T10:00Z c a
         2026-11-24T10:00Z c a
         2026-11-25T10:00Z c a
         2026-11-26T10:00Z c a",
    );
    let (low, high) = (told(""), told("priority: 5\n").replace("email: a", "email: b"));
    check_by(
        "priority",
        &cap("skip"),
        &[("a-low", &low), ("z-high", &high)],
        &format!("2026-11-23T08:00Z set c {MAIL}\n2026-11-23T10:00Z go c {{}}"),
        until,
        "2026-11-23T10:00Z c a frequency_cap
         2026-11-23T10:00Z c b",
    );
}

#[test]
fn hours_and_caps_together_find_the_first_instant_that_suits_both() {
    let policy =
        format!("{}frequency_caps:\n  - {{ channel: email, limit: 1 per 20h, when_full: defer }}\n", OFFICE);
    // Monday at ten, full until six on Tuesday morning, when the office is shut until nine, Paris time.
    let events = format!(
        "2026-11-23T08:00Z set c {MAIL}
         2026-11-23T09:00Z go c {{}}
         2026-11-23T09:30Z go c {{}}"
    );
    check_by(
        "both",
        &policy,
        &[("r", &told(""))],
        &events,
        "2026-12-01T00:00Z",
        "2026-11-23T09:00Z c a
         2026-11-24T08:00Z c a",
    );
}

#[test]
fn channels_each_on_its_own_consent_or_the_preferred_one() {
    let policy = "sms: { stop_number: \"36180\" }\ndefault_country: FR\n";
    let rule = |more: &str| {
        format!(
            "purpose: marketing\ntrigger: {{ event: go }}\nsteps: [{{ send: {{ email: a, sms: s{more} }} }}]\n"
        )
    };
    let customer = |who: &str, email: &str, sms: &str, phone: &str| {
        format!(
            "2026-11-23T08:00Z set {who} {{\"email\":\"{who}@x.fr\",\"phone\":\"{phone}\",\"first_name\":\"{who}\",\"consents\":[\
             {{\"channel\":\"email\",\"purpose\":\"marketing\",\"status\":\"{email}\"}},\
             {{\"channel\":\"sms\",\"purpose\":\"marketing\",\"status\":\"{sms}\"}}]}}\n\
             2026-11-23T10:00Z go {who} {{}}\n"
        )
    };
    let mobile = "06 12 34 56 78";
    let events = [
        customer("both", "granted", "granted", mobile),
        customer("mail", "granted", "denied", mobile),
        customer("text", "withdrawn", "granted", mobile),
        customer("line", "denied", "granted", "01 42 68 53 00"),
    ]
    .concat();
    let until = "2026-11-30T00:00Z";
    let check = |case: &str, more: &str, expected: &str| {
        check_by(case, policy, &[("r", &rule(more))], &events, until, expected);
    };
    check(
        "both channels",
        "",
        "2026-11-23T10:00Z both a
         2026-11-23T10:00Z both s
         2026-11-23T10:00Z line a consent_withdrawn
         2026-11-23T10:00Z line s invalid_address
         2026-11-23T10:00Z mail a
         2026-11-23T10:00Z mail s consent_withdrawn
         2026-11-23T10:00Z text a consent_withdrawn
         2026-11-23T10:00Z text s",
    );
    check(
        "e-mail if possible",
        ", prefer: email",
        "2026-11-23T10:00Z both a
         2026-11-23T10:00Z line a consent_withdrawn
         2026-11-23T10:00Z line s invalid_address
         2026-11-23T10:00Z mail a
         2026-11-23T10:00Z text a consent_withdrawn
         2026-11-23T10:00Z text s",
    );
    check(
        "SMS if possible",
        ", prefer: sms",
        "2026-11-23T10:00Z both s
         2026-11-23T10:00Z line a consent_withdrawn
         2026-11-23T10:00Z line s invalid_address
         2026-11-23T10:00Z mail a
         2026-11-23T10:00Z mail s consent_withdrawn
         2026-11-23T10:00Z text s",
    );
}

#[test]
fn a_channel_that_falls_through_later_gives_way_to_the_other() {
    // Saturday at nine in the evening: no SMS before Monday, which is too late for this one, but the mail may go.
    let policy = "sms: { stop_number: \"36180\" }\ndefault_country: FR\n";
    let rule = "purpose: marketing\ntrigger: { event: go }\n\
        steps: [{ send: { email: a, sms: s, prefer: sms, expire_after: 4h } }]\n";
    let consents = r#""consents":[{"channel":"email","purpose":"marketing","status":"granted"},
        {"channel":"sms","purpose":"marketing","status":"granted"}]"#
        .replace('\n', "");
    let events = format!(
        "2026-11-21T08:00Z set c {{\"email\":\"c@x.fr\",\"phone\":\"+33612345678\",\"first_name\":\"C\",{consents}}}\n\
         2026-11-21T20:00Z go c {{}}"
    );
    check_by(
        "hours too late",
        policy,
        &[("r", rule)],
        &events,
        "2026-11-30T00:00Z",
        "2026-11-21T20:00Z c a
         2026-11-21T20:00Z c s quiet_hours",
    );
}
