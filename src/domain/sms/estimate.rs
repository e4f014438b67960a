//! How long an SMS may become, told from its template before anybody's name is in it.

use super::laws::{Way, with_opt_out};
use super::plain::plain;
use crate::domain::rules::Policy;

/// Whether a value that customers write themselves goes into the text as it is: one letter outside of the alphabet of SMS,
/// as in the name Анна, then makes the whole text go as UCS-2.
pub fn shows_what_customers_write(source: &str) -> bool {
    let expressions = source.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    expressions.map(|text| text.trim_matches(['{', '~', ' '])).any(|text| {
        // A helper before it formats a date or an amount.
        text.strip_prefix("customer.").is_some_and(|name| !name.contains(char::is_whitespace))
    })
}

/// A sealed link is long: it says who, what for, and by which message.
const LINK: &str = "https://news.example.com/c/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What stands for a value: as long as such values usually are.
fn sample<'a>(expression: &str, policy: &'a Policy) -> &'a str {
    const SAMPLES: [(&str, &str); 11] = [
        ("promo_code.code", "WELCOME-7K2MX4QP9RTZ"),
        ("promo_code.discount", "15 %"),
        ("valid_until", "23 septembre 2026"),
        ("first_name", "Maximilien"),
        ("unsubscribe_url", "https://news.example.com/u/0123456789abcdef0123456789abcdef"),
        ("preferences_url", LINK),
        ("confirm_url", LINK),
        ("url", "https://www.example.com/orders/1234567890"),
        ("money", "1 234,50 EUR"),
        ("date", "23 septembre 2026"),
        ("number", "1234"),
    ];
    if expression.contains("sender.name") {
        return &policy.sender.name;
    }
    SAMPLES.iter().find(|(word, _)| expression.contains(word)).map_or("0123456789", |(_, text)| text)
}

/// How often the body of an `each` stands in the estimate: as often as there are things in a usual cart.
const TIMES: usize = 3;

/// The text with a sample in the place of each value, both branches of each `if`, the body of each `each` three times,
/// and the way to stop it: longer rather than shorter than what will be sent.
pub fn estimate(source: &str, locale: &str, marketing: bool, policy: &Policy) -> String {
    let mut text = String::new();
    // What stands before each `each` that is open.
    let mut before_each = Vec::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let (expression, after) = after.split_once("}}").unwrap_or((after, ""));
        let expression = expression.trim_matches(['{', '}', '~', ' ']);
        let mut words = expression.split_whitespace();
        match (words.next(), words.next()) {
            (Some("#each"), _) | (Some("#"), Some("each")) => before_each.push(std::mem::take(&mut text)),
            (Some("/each"), _) => {
                let body = std::mem::replace(&mut text, before_each.pop().unwrap_or_default());
                text.push_str(&body.repeat(TIMES));
            }
            _ if !expression.starts_with(['#', '/', '!', '>', '^']) && !expression.starts_with("else") => {
                text.push_str(sample(expression, policy));
            }
            _ => {}
        }
        rest = after.trim_start_matches('}');
    }
    text.push_str(rest);
    // An `each` without its end is another finding.
    let text = before_each.concat() + &text;
    let text = text.trim();
    let text = if policy.sms.transliterate { plain(text) } else { text.into() };
    if !marketing {
        return text.into_owned();
    }
    let way = Way {
        language: locale,
        country: policy.default_country.as_deref(),
        sender: policy.sms.sender.as_deref(),
        stop_number: policy.sms.stop_number.as_deref(),
    };
    // Where there is no way to stop it is another finding that says so.
    with_opt_out(&text, &way).unwrap_or_else(|_| text.into_owned())
}
