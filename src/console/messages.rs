//! Messages: looked for by state, reason, rule, channel and customer; one whole, as it is rendered, with what may be done.

use std::fmt::Write as _;

use axum::extract::{Extension, Path, Query, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::frame::{self, Place, Visit, below, in_query, link, option};
use super::mail::{PART_POLICY, with_links_in_new_tabs};
use super::rendered::{Rendered, render};
use super::{Console, Shown, words};
use crate::domain::by_hand;
use crate::domain::consent::Channel;
use crate::domain::message::{Message, MessageState};
use crate::domain::verdict::Reason;
use crate::ops::page::escape;
use crate::store::{MessagePage, MessagesFound};

/// Messages on a page.
const PER_PAGE: u32 = 50;

/// What is looked for, as in the query; an empty field asks for nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    state: String,
    reason: String,
    rule: String,
    channel: String,
    customer: String,
    until: String,
    /// `planned_at` and id of the last message of the page before.
    after: String,
    id: String,
}

impl Asked {
    fn page(&self) -> MessagePage {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        MessagePage {
            state: MessageState::parse(&self.state),
            reason: Reason::parse(&self.reason),
            rule: some(&self.rule),
            channel: Channel::parse(&self.channel),
            customer: some(&self.customer),
            until: self.until.parse().ok(),
            after: frame::read_place(&self.after),
            limit: PER_PAGE,
        }
    }

    /// The query of the page that goes on after this place.
    fn after(&self, (at, id): &(DateTime<Utc>, String)) -> String {
        let mut query = String::from("/messages?");
        for (name, value) in [
            ("state", &self.state),
            ("reason", &self.reason),
            ("rule", &self.rule),
            ("channel", &self.channel),
            ("customer", &self.customer),
            ("until", &self.until),
        ] {
            if !value.is_empty() {
                let _ = write!(query, "{name}={}&", in_query(value));
            }
        }
        let _ = write!(query, "after={}", frame::place(*at, id));
        query
    }
}

pub(super) async fn list(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Query(asked): Query<Asked>,
) -> Shown {
    let lang = visit.lang;
    if !asked.id.trim().is_empty() {
        return Ok(super::entrance::seen_at(&below("/messages", asked.id.trim())));
    }
    let found = console.store.messages_page(&asked.page()).await?;
    let mut main = format!("<h1>Messages</h1>{}", filter(&console, &visit, &asked));
    // Whoever looks at older pages, or has chosen an end, is not torn from them.
    let live = if asked.after.is_empty() && asked.until.is_empty() { " data-live" } else { "" };
    let _ = write!(main, "<div id=\"messages\"{live}>{}", table(&visit, &found.messages));
    main.push_str(&onward(&visit, &asked, &found));
    main.push_str("</div>");
    Ok(visit.page(Place::Messages, lang.pick("Messages", "Messages"), &main))
}

fn filter(console: &Console, visit: &Visit, asked: &Asked) -> String {
    let lang = visit.lang;
    let any = |feminine: bool| option("", lang.pick(if feminine { "toutes" } else { "tous" }, "any"), false);
    let (any, each) = (any(false), any(true));
    let states: String = MessageState::ALL
        .iter()
        // Being sent has two states, and one is no state to look for: it lasts for a moment.
        .filter(|state| **state != MessageState::Claimed)
        .map(|state| option(state.as_str(), visit.language().state(*state), asked.state == state.as_str()))
        .collect();
    let mut reasons: Vec<(String, Reason)> =
        Reason::ALL.iter().map(|reason| (visit.language().reason(*reason).into_owned(), *reason)).collect();
    reasons.sort();
    let reasons: String = reasons
        .iter()
        .map(|(words, reason)| option(reason.as_str(), words, asked.reason == reason.as_str()))
        .collect();
    let active = console.shelf.get();
    let rules: String =
        active.book.active.rules.keys().map(|rule| option(rule, rule, asked.rule == *rule)).collect();
    let channels: String = [Channel::Email, Channel::Sms]
        .into_iter()
        .map(|channel| {
            option(channel.as_str(), words::channel(visit, channel), asked.channel == channel.as_str())
        })
        .collect();
    let (state, reason, rule, channel, customer, id, look) = lang.pick(
        ("État", "Raison", "Règle", "Canal", "Client (identifiant)", "Message (identifiant)", "Chercher"),
        ("State", "Reason", "Rule", "Channel", "Customer (id)", "Message (id)", "Search"),
    );
    format!(
        "<form class=\"filter card\" method=\"get\" action=\"/messages\" role=\"search\">\
         <label>{state}<select name=\"state\">{any}{states}</select></label>\
         <label>{reason}<select name=\"reason\">{each}{reasons}</select></label>\
         <label>{rule}<select name=\"rule\">{each}{rules}</select></label>\
         <label>{channel}<select name=\"channel\">{any}{channels}</select></label>\
         <label>{customer}<input name=\"customer\" value=\"{}\"></label>\
         <label>{id}<input name=\"id\"></label><button>{look}</button></form>",
        escape(&asked.customer)
    )
}

/// Messages in a table.
pub(super) fn table(visit: &Visit, messages: &[Message]) -> String {
    let lang = visit.lang;
    if messages.is_empty() {
        return format!(
            "<p class=\"lead\">{}</p>",
            lang.pick("Aucun message de ce genre.", "No such message.")
        );
    }
    let heads = lang.pick(
        ["Prévu", "Envoyé", "État", "Règle", "Client", "À", "Code", "Raison"],
        ["Planned", "Sent", "State", "Rule", "Customer", "To", "Code", "Reason"],
    );
    let mut rows = String::new();
    for message in messages {
        let _ = write!(
            rows,
            "<tr><td><a href=\"{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><bdi>{}</bdi></td><td>{}</td><td class=\"why\">{}</td></tr>",
            escape(&below("/messages", &message.id)),
            visit.time(message.planned_at),
            message.sent_at.map_or(String::new(), |at| visit.time(at)),
            words::state(visit, message.state),
            link(&below("/rules", &message.rule), &message.rule),
            link(&below("/customers", &message.customer_id), &message.customer_id),
            escape(message.address.as_deref().unwrap_or(words::channel(visit, message.channel))),
            escape(message.promo_code.as_deref().unwrap_or_default()),
            words::why(visit, message),
        );
    }
    frame::table("Messages", &heads, &rows)
}

fn onward(visit: &Visit, asked: &Asked, found: &MessagesFound) -> String {
    let Some(next) = &found.next else { return String::new() };
    let lang = visit.lang;
    let (reached, older, further) = lang.pick(
        ("Cherché jusqu’au", "Plus anciens", "Chercher plus loin"),
        ("Looked back to", "Older", "Look further"),
    );
    match found.looked_back_to {
        Some(back) => format!(
            "<p class=\"pages\"><span>{reached} {}</span>{}</p>",
            visit.time(back),
            link(&asked.after(next), further)
        ),
        None => format!("<p class=\"pages\">{}</p>", link(&asked.after(next), older)),
    }
}

pub(super) async fn show(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Shown {
    let lang = visit.lang;
    let Some(message) = console.store.message(&id).await? else {
        let words =
            lang.pick("Il n’y a pas de message de cet identifiant.", "There is no message with this id.");
        return Ok(visit.missing(Place::Messages, words));
    };
    let title = format!("{} – {}", message.rule, message.step);
    let mut main = format!(
        "<h1>{}</h1><div id=\"message\" data-live>{}{}</div>",
        escape(&title),
        facts(&visit, &message),
        doings(&console, &visit, &message)
    );
    let as_rendered = match message.sent_at {
        Some(_) => lang.pick("Le message", "The message"),
        None => lang.pick("Ce qu’il dirait aujourd’hui", "What it would say today"),
    };
    let _ = write!(main, "<h2>{as_rendered}</h2>");
    match render(&console, &message).await? {
        Ok(Rendered::Email { subject, text, .. }) => {
            let _ = write!(
                main,
                "<p><strong><bdi>{}</bdi></strong></p><iframe class=\"sheet\" src=\"{}/html\" title=\"{as_rendered}\" \
                 sandbox=\"allow-popups allow-popups-to-escape-sandbox\"></iframe>\
                 <details><summary>{}</summary><pre>{}</pre></details>",
                escape(&subject),
                escape(&below("/messages", &message.id)),
                lang.pick("Version texte", "Text version"),
                escape(&text),
            );
        }
        Ok(Rendered::Sms { text }) => {
            let _ = write!(main, "<p class=\"bubble\"><bdi>{}</bdi></p>", escape(&text));
        }
        Err(words) => {
            let _ = write!(main, "<p class=\"lead\">{}</p>", escape(&words));
        }
    }
    Ok(visit.page(Place::Messages, &title, &main))
}

/// The HTML part of a mail, alone, for the sandboxed frame.
pub(super) async fn html_part(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Shown {
    let rendered = match console.store.message(&id).await? {
        Some(message) => render(&console, &message).await?.ok(),
        None => None,
    };
    let Some(Rendered::Email { html, .. }) = rendered else { return Ok(visit.missing(Place::Messages, "")) };
    Ok(([(CONTENT_SECURITY_POLICY, PART_POLICY)], Html(with_links_in_new_tabs(&html))).into_response())
}

fn facts(visit: &Visit, message: &Message) -> String {
    let lang = visit.lang;
    let text = |text: &str| escape(text);
    let maybe = |value: &Option<String>| value.as_deref().map(escape);
    let time = |at: DateTime<Utc>| visit.time(at);
    let facts = [
        (lang.pick("État", "State"), Some(words::state(visit, message.state))),
        (lang.pick("Raison", "Reason"), Some(words::why(visit, message)).filter(|why| !why.is_empty())),
        (
            lang.pick("Client", "Customer"),
            Some(link(&below("/customers", &message.customer_id), &message.customer_id)),
        ),
        (lang.pick("À", "To"), maybe(&message.address)),
        (lang.pick("Canal", "Channel"), Some(words::channel(visit, message.channel).to_owned())),
        (lang.pick("Règle", "Rule"), Some(link(&below("/rules", &message.rule), &message.rule))),
        (lang.pick("Prévu", "Planned"), Some(time(message.planned_at))),
        (
            lang.pick("Part au plus tôt", "Goes at the earliest"),
            (!message.state.is_final()).then(|| time(message.due_at)),
        ),
        (lang.pick("Envoyé", "Sent"), message.sent_at.map(time)),
        (
            lang.pick("Sans valeur après", "Worthless after"),
            (!message.state.is_final()).then(|| time(message.expires_at)),
        ),
        (lang.pick("Essais", "Attempts"), Some(visit.number(message.attempts.into()))),
        (lang.pick("Réponse du fournisseur", "The provider’s answer"), maybe(&message.reply)),
        (lang.pick("Code promo", "Promo code"), maybe(&message.promo_code)),
        (lang.pick("Modèle", "Template"), Some(text(&message.template))),
        (lang.pick("Finalité", "Purpose"), Some(text(&message.purpose))),
        (lang.pick("Identifiant", "Id"), Some(format!("<code>{}</code>", text(&message.id)))),
    ];
    let rows: String = facts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("<dt>{name}</dt><dd>{}</dd>", value?)))
        .collect();
    format!("<dl class=\"facts\">{rows}</dl>")
}

/// What an operator may do with it, and the way to why it is as it is.
fn doings(console: &Console, visit: &Visit, message: &Message) -> String {
    let lang = visit.lang;
    let mut html = format!(
        "<div class=\"actions\">{}",
        link(
            &format!("{}?message={}", below("/customers", &message.customer_id), in_query(&message.id)),
            lang.pick("Pourquoi ?", "Why?")
        )
    );
    if message.state == MessageState::Uncertain {
        let words = lang.pick(
            [
                "Envoyer à nouveau",
                "Il est peut-être déjà arrivé : son lecteur pourrait le recevoir deux fois.",
                "Envoyer à nouveau",
            ],
            ["Send again", "It may have arrived: its reader may get it twice.", "Send again"],
        );
        html.push_str(&visit.considered("retry-even-if-sent", &message.id, words, false));
    } else if by_hand::retry(message, console.now(), false, None).is_ok() {
        html.push_str(&visit.button("retry", &message.id, lang.pick("Tenter l’envoi", "Try to send it"), ""));
    }
    if by_hand::cancel(message).is_ok() {
        html.push_str(&visit.button(
            "cancel",
            &message.id,
            lang.pick("Ne pas l’envoyer", "Do not send it"),
            "danger",
        ));
    }
    html.push_str("</div>");
    html
}
