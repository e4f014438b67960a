use super::*;

/// A message in words: customer, rule, channel, status, reason; then `at=` minutes, `text=` its words,
/// `version=` of its template, `by=` its occurrence.
pub fn line(words: &str) -> Line {
    let mut line = Line {
        at: DateTime::UNIX_EPOCH,
        customer: String::new(),
        rule: String::new(),
        step: "send".to_owned(),
        channel: "email",
        template: "t".to_owned(),
        locale: None,
        to: None,
        status: "sent",
        reason: None,
        promo_code: None,
        subject: None,
        text: None,
        detail: None,
        version: None,
        occurrence: "e-1".to_owned(),
    };
    for (place, word) in words.split(' ').enumerate() {
        match (place, word.split_once('=')) {
            (_, Some(("at", minutes))) => {
                line.at += chrono::TimeDelta::minutes(minutes.parse().expect("minutes"));
            }
            (_, Some(("text", text))) => line.text = Some(text.to_owned()),
            (_, Some(("version", version))) => line.version = Some(version.to_owned()),
            (_, Some(("by", occurrence))) => line.occurrence = occurrence.to_owned(),
            (0, _) => line.customer = word.to_owned(),
            (1, _) => line.rule = word.to_owned(),
            (2, _) => line.channel = if word == "sms" { "sms" } else { "email" },
            (3, _) => line.status = MessageState::parse(word).expect("a status").as_str(),
            _ => line.reason = Some(Reason::parse(word).expect("a reason").as_str()),
        }
    }
    line
}

/// Messages before and after, how they differ, and that in a line.
type Case = (&'static [&'static str], &'static [&'static str], &'static [Change], &'static str);

#[test]
fn each_message_differs_in_one_way() {
    const CAPPED: &str = "c r email suppressed frequency_cap";
    use Change::{Added, Outcome, Removed, Time, Words};
    let cases: &[Case] = &[
        (&["c r email sent"], &["c r email sent"], &[], "no difference"),
        (&[], &["c r email sent"], &[Added], "+1 mails, −0 (1 customer concerned)"),
        (&["c r email sent"], &[], &[Removed], "+0 mails, −1 (1 customer concerned)"),
        (&["c r email sent"], &[CAPPED], &[Outcome], "+0 mails, −0, 1 now capped (1 customer concerned)"),
        (&[CAPPED], &["c r email sent"], &[Outcome], "+1 mails, −0 (1 customer concerned)"),
        (
            &["c r email sent"],
            &["c r email expired expired"],
            &[Outcome],
            "+0 mails, −0, 1 now expired (1 customer concerned)",
        ),
        // What was not sent before either changes nothing for anybody.
        (&[], &[CAPPED], &[Added], "no difference in what is sent (1 customer concerned)"),
        (
            &[CAPPED],
            &["c r email suppressed no_consent"],
            &[Outcome],
            "no difference in what is sent (1 customer concerned)",
        ),
        (
            &["c r email sent"],
            &["c r email sent at=60"],
            &[Time],
            "+0 mails, −0, 1 at another time (1 customer concerned)",
        ),
        (
            &["c r sms sent text=a"],
            &["c r sms sent text=b"],
            &[Words],
            "+0 SMS, −0, 1 in other words (1 customer concerned)",
        ),
        (
            &["c r email sent text=a version=1"],
            &["c r email sent text=a version=2"],
            &[Words],
            "+0 mails, −0, 1 in other words (1 customer concerned)",
        ),
        // Another occurrence is another message, as is another rule, another customer, another channel.
        (
            &["c r email sent by=e-1"],
            &["c r email sent by=e-2"],
            &[Added, Removed],
            "+1 mails, −1 (1 customer concerned)",
        ),
        (
            &["c r email sent", "d r email sent"],
            &["c r sms sent", "d q email sent at=1"],
            &[Removed, Added, Removed, Added],
            "+1 mails, −2; +1 SMS, −0 (2 customers concerned)",
        ),
    ];
    for (before, after, changes, headline) in cases {
        let lines = |words: &[&str]| words.iter().map(|w| line(w)).collect::<Vec<_>>();
        let differences = compare(&lines(before), &lines(after));
        let mut found: Vec<Change> = differences.iter().map(|d| d.change).collect();
        let mut expected = changes.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{before:?} {after:?}");
        assert_eq!(Changes::count(&differences).headline(), *headline, "{before:?} {after:?}");
    }
}

#[test]
fn differences_come_in_the_order_of_the_output_and_add_up() {
    let before = [line("b r email sent at=5"), line("a r email sent at=5"), line("z r email sent at=9")];
    let after = [line("z r email sent at=1"), line("y r sms sent at=1")];
    let differences = compare(&before, &after);
    let order: Vec<&str> = differences.iter().map(|d| d.customer.as_str()).collect();
    assert_eq!(order, ["y", "z", "a", "b"], "by the new time where there is one");
    let mut parts = Changes::count(&differences[..1]);
    parts.add(Changes::count(&differences[1..]));
    assert_eq!(parts, Changes::count(&differences));
    assert_eq!(parts.headline(), "+0 mails, −2, 1 at another time; +1 SMS, −0 (4 customers concerned)");
}
