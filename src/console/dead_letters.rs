//! Dead letters: looked at, tried again, thrown away.

use std::fmt::Write as _;

use axum::extract::{Extension, Path, Query, State};
use serde::Deserialize;
use serde_json::Value;

use super::frame::{self, Place, Visit, below, link};
use super::{Console, Shown};
use crate::ops::page::escape;
use crate::store::{DeadLetter, LetterFilter};

/// Letters on a page.
const PER_PAGE: u32 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// `received_at` and id of the last letter of the page before.
    after: String,
}

pub(super) async fn list(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Query(asked): Query<Asked>,
) -> Shown {
    let lang = visit.lang;
    let before = frame::read_place(&asked.after);
    let filter = LetterFilter { before, ..LetterFilter::default() };
    let letters = console.store.dead_letters(&filter, PER_PAGE).await?;
    let title = lang.pick("Rejets", "Dead letters");
    let lead = lang.pick(
        "Ce qui n’a pas pu servir est gardé ici, avec la raison. Rien n’est perdu : réparez la cause, puis rejouez.",
        "What could not be used is kept here, with the reason. Nothing is lost: mend the cause, then replay.",
    );
    let mut main = format!("<h1>{title}</h1><p class=\"lead\">{lead}</p><div id=\"letters\" data-live>");
    if letters.is_empty() {
        let _ = write!(main, "<p class=\"well\">{}</p>", lang.pick("Aucun.", "None."));
    } else {
        main.push_str(&table(&visit, title, &letters));
    }
    if letters.len() == PER_PAGE as usize
        && let Some(last) = letters.last()
    {
        let to = format!("/dead-letters?after={}", frame::place(last.received_at, &last.id));
        let _ = write!(main, "<p class=\"pages\">{}</p>", link(&to, lang.pick("Plus anciens", "Older")));
    }
    main.push_str("</div>");
    Ok(visit.page(Place::DeadLetters, title, &main))
}

fn table(visit: &Visit, title: &str, letters: &[DeadLetter]) -> String {
    let heads = visit
        .lang
        .pick(["Reçu", "D’où", "Raison", "Précisément"], ["Received", "From", "Reason", "In detail"]);
    let mut rows = String::new();
    for letter in letters {
        let _ = write!(
            rows,
            "<tr><td><a href=\"{}\">{}</a></td><td>{}</td><td>{}</td><td class=\"why\">{}</td></tr>",
            escape(&below("/dead-letters", &letter.id)),
            visit.time(letter.received_at),
            escape(&letter.origin),
            escape(letter.reason.as_str()),
            escape(&letter.detail),
        );
    }
    frame::table(title, &heads, &rows)
}

pub(super) async fn show(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
) -> Shown {
    let lang = visit.lang;
    let Some(letter) = console.store.dead_letter(&id).await? else {
        let words = lang.pick(
            "Ce rejet n’est plus là : il a été rejoué ou supprimé.",
            "This letter is not here any more: it was replayed or discarded.",
        );
        return Ok(visit.missing(Place::DeadLetters, words));
    };
    let (replay, discard, sure) = lang
        .pick(("Rejouer", "Supprimer", "Il est perdu ensuite."), ("Replay", "Discard", "It is lost then."));
    let mut headers = String::new();
    for (name, value) in letter.headers.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(headers, "{name}: {value}");
    }
    let body = match serde_json::from_slice::<Value>(&letter.body) {
        Ok(json) => format!("{json:#}"),
        Err(_) => String::from_utf8_lossy(&letter.body).into_owned(),
    };
    let title = lang.pick("Rejet", "Dead letter");
    let main = format!(
        "<h1>{title}</h1><dl class=\"facts\"><dt>{reason}</dt><dd>{}</dd><dt>{detail}</dt><dd>{}</dd><dt>{from}</dt><dd>{}</dd><dt>{received}</dt><dd>{}</dd><dt>Id</dt><dd><code>{}</code></dd></dl>\
         <div class=\"actions\">{}{}</div>\
         <pre class=\"card\" tabindex=\"0\">{}\n{}</pre>",
        escape(letter.reason.as_str()),
        escape(&letter.detail),
        escape(&letter.origin),
        visit.time(letter.received_at),
        escape(&letter.id),
        visit.button("replay", &letter.id, replay, ""),
        visit.considered("discard", &letter.id, [discard, sure, discard], false),
        escape(&headers),
        escape(&body),
        reason = lang.pick("Raison", "Reason"),
        detail = lang.pick("Précisément", "In detail"),
        from = lang.pick("D’où", "From"),
        received = lang.pick("Reçu", "Received"),
    );
    Ok(visit.page(Place::DeadLetters, title, &main))
}
