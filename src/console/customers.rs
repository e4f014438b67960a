//! Customers: found by whatever is known of them; what was sent, what was not, and why, told as `declic explain` tells it.

use std::fmt::Write as _;

use axum::extract::{Extension, Path, Query, State};
use serde::Deserialize;

use super::entrance::seen_at;
use super::frame::{Place, Visit, below, link, table};
use super::{Console, Shown, messages, words};
use crate::domain::customer::{Profile, comparable_address};
use crate::domain::explain::story::{Item, What};
use crate::domain::explain::tell::tell;
use crate::domain::explain::{self, Asked};
use crate::domain::phone;
use crate::operate::{RecordError, record};
use crate::ops::page::escape;
use crate::store::{CustomerState, Match, MessagePage};

/// Customers that a search shows at most.
const MOST: u32 = 50;

/// Items of a story on a page, and messages.
const ITEMS: usize = 50;
const MESSAGES: u32 = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    q: String,
}

pub(super) async fn find(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Query(search): Query<Search>,
) -> Shown {
    let lang = visit.lang;
    let text = search.q.trim();
    let mut main = format!("<h1>{}</h1>{}", lang.pick("Clients", "Customers"), form(&visit, text));
    if !text.is_empty() {
        let country = console.shelf.get().book.active.policy.default_country.clone();
        let number = phone::parse(text, country.as_deref()).map(|phone| phone.e164);
        let found = console.store.find_customers(text, number.as_deref(), MOST).await?;
        if let [Match { message_id: Some(id), .. }] = found.as_slice() {
            return Ok(seen_at(&below("/messages", id)));
        }
        if let [only] = found.as_slice() {
            return Ok(seen_at(&below("/customers", &only.customer_id)));
        }
        if found.is_empty() {
            let nobody = lang.pick(
                "Personne. On cherche par identifiant de client (ou son début), adresse e-mail, numéro de téléphone, code promo ou identifiant de message.",
                "Nobody. Search by customer id (or how it begins), e-mail address, phone number, promo code or message id.",
            );
            let _ = write!(main, "<p class=\"lead\">{nobody}</p>");
        } else {
            let ids: Vec<String> = found.iter().map(|found| found.customer_id.clone()).collect();
            let known = console.store.customers_known(&ids).await?;
            let rows: String = ids
                .iter()
                .map(|id| {
                    let who = known.get(id).map_or(String::new(), |customer| called(&customer.profile));
                    format!(
                        "<li>{} <span class=\"hint\">{}</span></li>",
                        link(&below("/customers", id), id),
                        escape(&who)
                    )
                })
                .collect();
            let _ = write!(main, "<ul class=\"card plain\">{rows}</ul>");
        }
    }
    Ok(visit.page(Place::Customers, lang.pick("Clients", "Customers"), &main))
}

fn form(visit: &Visit, text: &str) -> String {
    let (label, look) = visit.lang.pick(
        ("Identifiant, e-mail, téléphone, code promo ou message", "Chercher"),
        ("Id, e-mail, phone, promo code or message", "Search"),
    );
    format!(
        "<form class=\"filter card\" method=\"get\" action=\"/customers\" role=\"search\"><label class=\"wide\">{label}\
         <input name=\"q\" type=\"search\" value=\"{}\" required></label><button>{look}</button></form>",
        escape(text)
    )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct About {
    rule: Option<String>,
    message: Option<String>,
}

pub(super) async fn show(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    Query(about): Query<About>,
) -> Shown {
    let lang = visit.lang;
    let Some(customer) = console.store.customer(&id).await? else {
        let words = lang.pick("Aucun événement n’a nommé ce client.", "No event has named this customer.");
        return Ok(visit.missing(Place::Customers, words));
    };
    let (rule, message) =
        (about.rule.filter(|rule| !rule.is_empty()), about.message.filter(|id| !id.is_empty()));
    let mut main = format!(
        "<h1><bdi>{}</bdi></h1><p class=\"lead\"><bdi>{}</bdi></p>{}",
        escape(&id),
        escape(&called(&customer.profile)),
        known(&visit, &customer)
    );
    let mut book = console.shelf.get().book.clone();
    let told = record(&console.store, &mut book, customer, rule.as_deref(), message.as_deref()).await;
    let told = match told {
        Ok(told) => told,
        Err(RecordError::Store(error)) => return Err(error.into()),
        Err(other) => return Ok(visit.missing(Place::Customers, &escape(&other.to_string()))),
    };
    if rule.is_none() && message.is_none() {
        let page = MessagePage { customer: Some(id.clone()), limit: MESSAGES, ..MessagePage::default() };
        let found = console.store.messages_page(&page).await?;
        let _ = write!(main, "<h2>Messages</h2>{}", messages::table(&visit, &found.messages));
    } else {
        let _ = write!(
            main,
            "<p>{}</p>",
            link(&below("/customers", &id), lang.pick("Toute l’histoire", "The whole story"))
        );
    }
    let now = console.now();
    let asked = Asked { rule: rule.as_deref(), message: message.as_deref() };
    let mut items = explain::explain(&book, &told, asked, now);
    // What is known of the customer is above; without it the story keeps its zone.
    let shown = items.iter().filter(|item| is_head(item)).count() + ITEMS;
    let older = items.len().saturating_sub(shown);
    items.truncate(shown);
    let _ = write!(
        main,
        "<h2>{}</h2>{}<pre class=\"story card\" tabindex=\"0\">{}</pre>",
        lang.pick("L’histoire", "The story"),
        rules_of(&console, &visit, &id),
        escape(&tell(&items, visit.language(), now))
    );
    if older > 0 {
        let _ = write!(
            main,
            "<p class=\"hint\">{} <code>declic explain {} --limit {}</code></p>",
            lang.pick("Plus ancien :", "Older:"),
            escape(&id),
            shown + older
        );
    }
    Ok(visit.page(Place::Customers, &id, &main))
}

/// What a customer is called, and where they can be written to, as far as the profile says.
fn called(profile: &Profile) -> String {
    let parts = ["first_name", "last_name", "email"].into_iter().filter_map(|name| profile.text(name));
    parts.collect::<Vec<_>>().join(" ")
}

fn is_head(item: &Item) -> bool {
    matches!(item.what, What::Customer(_) | What::Rule(_))
}

/// Narrows the story to one rule.
fn rules_of(console: &Console, visit: &Visit, id: &str) -> String {
    let active = console.shelf.get();
    let options: String =
        active.book.active.rules.keys().map(|rule| super::frame::option(rule, rule, false)).collect();
    let (label, look) = visit
        .lang
        .pick(("Pourquoi une règle a agi, ou pas", "Expliquer"), ("Why a rule acted, or did not", "Explain"));
    format!(
        "<form class=\"filter\" method=\"get\" action=\"{}\"><label>{label}<select name=\"rule\">{options}</select></label><button>{look}</button></form>",
        escape(&below("/customers", id))
    )
}

/// Where they can be reached, and what they have agreed to.
fn known(visit: &Visit, customer: &CustomerState) -> String {
    let lang = visit.lang;
    let mut facts = String::new();
    if customer.erased {
        let words = if customer.archived {
            lang.pick("archivé", "archived")
        } else {
            lang.pick("effacé", "erased")
        };
        let _ = write!(facts, "<dt>{}</dt><dd>{words}</dd>", lang.pick("État", "State"));
    }
    for (name, label) in [
        ("email", "E-mail"),
        ("phone", lang.pick("Téléphone", "Phone")),
        ("locale", lang.pick("Langue", "Language")),
        ("timezone", lang.pick("Fuseau", "Time zone")),
    ] {
        if let Some(value) = customer.profile.text(name).filter(|value| !value.is_empty()) {
            let value = if name == "email" { comparable_address(value) } else { value.to_owned() };
            let _ = write!(facts, "<dt>{label}</dt><dd><bdi>{}</bdi></dd>", escape(&value));
        }
    }
    for channel in &customer.suppressed {
        let words = lang.pick(
            "adresse exclue : un message est revenu, a été signalé, ou quelqu’un l’a exclue",
            "address suppressed: it came back, complained or was put on the list by hand",
        );
        let _ = write!(facts, "<dt>{}</dt><dd class=\"bad\">{words}</dd>", words::channel(visit, *channel));
    }
    let mut newest = std::collections::BTreeMap::new();
    for fact in &customer.consents.0 {
        newest.insert((fact.channel, fact.purpose.clone()), ());
    }
    let mut rows = String::new();
    for ((channel, purpose), ()) in newest {
        let Some(fact) = customer.consents.latest(channel, &purpose) else { continue };
        let proof = fact.proof.get("source").and_then(|source| source.as_str()).unwrap_or_default();
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            words::channel(visit, channel),
            escape(&purpose),
            visit.language().status(fact.status),
            visit.time(fact.at),
            escape(proof),
        );
    }
    if rows.is_empty() {
        let none = lang.pick("Aucun consentement n’est connu.", "No consent is known.");
        return format!("<dl class=\"facts\">{facts}</dl><p class=\"lead\">{none}</p>");
    }
    let heads = lang.pick(
        ["Canal", "Finalité", "Décision", "Quand", "Par"],
        ["Channel", "Purpose", "Decision", "When", "By"],
    );
    let title = lang.pick("Consentements", "Consents");
    format!("<dl class=\"facts\">{facts}</dl><h2>{title}</h2>{}", table(title, &heads, &rows))
}
