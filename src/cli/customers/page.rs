//! The export as a page: each kind of data under its name in the customer's language, each row with its fields.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::explain::Language;
use crate::ops::escape;

const CSS: &str = include_str!("page.css");

/// The kinds of data, in the order in which they are read; with their names and what they are for.
const KINDS: &[(&str, [&str; 2], [&str; 2])] = &[
    (
        "customer",
        ["Your profile", "Votre profil"],
        ["What we know of you, and since when.", "Ce que nous savons de vous, et depuis quand."],
    ),
    (
        "consents",
        ["Your consents", "Vos consentements"],
        ["Each choice that you made, with its proof.", "Chacun de vos choix, avec sa preuve."],
    ),
    (
        "messages",
        ["Messages", "Messages"],
        [
            "What we sent you or meant to, and what became of it.",
            "Ce que nous vous avons envoyé ou voulions vous envoyer, et ce qu’il en est advenu.",
        ],
    ),
    (
        "promo_codes",
        ["Promotional codes", "Codes promotionnels"],
        ["Codes that are yours.", "Les codes qui vous appartiennent."],
    ),
    (
        "texts_received",
        ["Text messages from you", "Vos SMS"],
        ["What you wrote to us by telephone.", "Ce que vous nous avez écrit par téléphone."],
    ),
    (
        "events",
        ["Events", "Événements"],
        ["What happened, as the shop told it.", "Ce qui s’est passé, tel que la boutique l’a signalé."],
    ),
    (
        "entries",
        ["Rules", "Règles"],
        [
            "Which sequences of messages you are in or went through.",
            "Les séquences de messages que vous suivez ou avez suivies.",
        ],
    ),
    (
        "outcomes",
        ["Reports to the shop", "Comptes rendus à la boutique"],
        ["What we told the shop of these messages.", "Ce que nous avons dit de ces messages à la boutique."],
    ),
    (
        "sms_parts",
        ["Delivery of text messages", "Acheminement des SMS"],
        ["How your operator delivered them.", "Comment votre opérateur les a remis."],
    ),
    (
        "bounces",
        ["Mail that came back", "E-mails revenus"],
        [
            "What mail servers said of mails to you.",
            "Ce que les serveurs ont dit des e-mails qui vous étaient adressés.",
        ],
    ),
    (
        "suppressions",
        ["Addresses not written to", "Adresses exclues"],
        [
            "Addresses of yours that we never write to.",
            "Celles de vos adresses auxquelles nous n’écrivons jamais.",
        ],
    ),
    (
        "archive",
        ["Archive", "Archives"],
        [
            "What we do not use any more and keep, sealed, until the day beside it.",
            "Ce que nous n’utilisons plus et conservons, scellé, jusqu’à la date indiquée.",
        ],
    ),
    (
        "dead_letters",
        ["Unusable reports", "Signalements inutilisables"],
        [
            "What came about you and could not be read.",
            "Ce qui est arrivé à votre sujet sans pouvoir être lu.",
        ],
    ),
];

/// The whole page.
pub fn of(id: &str, held: &Map<String, Value>, at: DateTime<Utc>, language: Language) -> String {
    let say = |words: [&'static str; 2]| match language {
        Language::English => words[0],
        Language::French => words[1],
    };
    let title = say(["What we know of you", "Ce que nous savons de vous"]);
    let lead = format!(
        "{} <b>{}</b>, {}",
        say(["Customer", "Client"]),
        escape(id),
        at.format(say(["%Y-%m-%d %H:%M UTC", "%d/%m/%Y %H:%M UTC"]))
    );
    let mut body = format!("<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n");
    for (name, title, what) in KINDS {
        let rows = held.get(*name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        section(&mut body, say(*title), say(*what), rows, say(["Nothing.", "Rien."]));
    }
    let lang = say(["en", "fr"]);
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn section(body: &mut String, title: &str, what: &str, rows: &[Value], nothing: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(body, "<section>\n<h2>{title}</h2>\n<p class=\"what\">{what}</p>");
    if rows.is_empty() {
        let _ = writeln!(body, "<p>{nothing}</p>");
    }
    for row in rows {
        let _ = write!(body, "<div class=\"row\">");
        value(body, row);
        body.push_str("</div>\n");
    }
    body.push_str("</section>\n");
}

/// A value for people: a field a line, what is within it a step further in, what is empty left out.
fn value(body: &mut String, of: &Value) {
    match of {
        Value::Object(fields) => {
            body.push_str("<dl>");
            for (name, field) in fields.iter().filter(|(_, field)| !is_empty(field)) {
                let _ = write!(body, "<div><dt>{}</dt><dd>", escape(name));
                match field.get("attributes").filter(|_| name == "profile") {
                    Some(attributes) => value(body, &with_their_past(attributes)),
                    None => value(body, field),
                }
                body.push_str("</dd></div>");
            }
            body.push_str("</dl>");
        }
        Value::Array(items) => {
            body.push_str("<ul>");
            for item in items {
                body.push_str("<li>");
                value(body, item);
                body.push_str("</li>");
            }
            body.push_str("</ul>");
        }
        Value::String(text) => body.push_str(&escape(text)),
        other => body.push_str(&escape(&other.to_string())),
    }
}

/// Attributes as lists of what they were, the newest first, each with the day from which it was so and who said it.
fn with_their_past(attributes: &Value) -> Value {
    let version = |version: &Value| {
        let told = match &version["value"] {
            Value::String(text) => text.clone(),
            Value::Null => "–".to_owned(),
            other => other.to_string(),
        };
        let text = |name: &str| version["stamp"][name].as_str().unwrap_or_default().to_owned();
        Value::from(format!("{told} ({}, {})", text("time").get(..10).unwrap_or_default(), text("source")))
    };
    let fields = attributes.as_object().into_iter().flatten().map(|(name, versions)| {
        let versions = versions.as_array().into_iter().flatten().rev();
        (name.clone(), versions.map(version).collect::<Value>())
    });
    Value::Object(fields.collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_customers_wrote_stays_text() {
        let evil = "</style><script>alert(1)</script>";
        let past = json!([{ "value": evil, "stamp": { "time": evil, "source": evil } }]);
        let held = json!({ "customer": [{ "email": evil, "profile": { "attributes": { evil: past } } }] });
        let Value::Object(held) = held else { unreachable!("an object") };
        for language in [Language::French, Language::English] {
            let page = of(evil, &held, DateTime::UNIX_EPOCH, language);
            assert!(!page.contains("<script"), "{page}");
            assert_eq!(page.matches("&lt;script&gt;").count(), 5);
        }
    }
}
