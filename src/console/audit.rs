//! Who did what by hand, the latest first.

use std::fmt::Write as _;

use axum::extract::{Extension, Query, State};
use serde::Deserialize;

use super::frame::{Place, Visit, link, table};
use super::{Console, Shown};
use crate::ops::page::escape;
use crate::store::ActFilter;

/// Acts on a page.
const PER_PAGE: u32 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    before: Option<i64>,
}

pub(super) async fn list(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    Query(asked): Query<Asked>,
) -> Shown {
    let lang = visit.lang;
    let filter = ActFilter { before: asked.before, limit: PER_PAGE, ..ActFilter::default() };
    let acts = console.store.acts(&filter).await?;
    let title = lang.pick("Journal", "Audit");
    let lead = lang.pick(
        "Ce que des personnes ont fait, ici ou en ligne de commande. Rien ne s’y change ni ne s’y efface.",
        "What people did, here or on the command line. Nothing in it is changed or taken away.",
    );
    let mut main = format!("<h1>{title}</h1><p class=\"lead\">{lead}</p>");
    if acts.is_empty() {
        let _ = write!(main, "<p class=\"well\">{}</p>", lang.pick("Rien encore.", "Nothing yet."));
        return Ok(visit.page(Place::Audit, title, &main));
    }
    let heads = lang.pick(
        ["Quand", "Qui", "Quoi", "Sur quoi", "Précision"],
        ["When", "Who", "What", "To what", "Detail"],
    );
    let mut rows = String::new();
    for act in &acts {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"why\">{}</td></tr>",
            visit.time(act.at),
            escape(&act.actor),
            escape(&act.action),
            escape(&act.target),
            escape(act.detail.as_deref().unwrap_or_default()),
        );
    }
    main.push_str(&table(title, &heads, &rows));
    if acts.len() == PER_PAGE as usize
        && let Some(last) = acts.last()
    {
        let older = link(&format!("/audit?before={}", last.id), lang.pick("Plus ancien", "Older"));
        let _ = write!(main, "<p class=\"pages\">{older}</p>");
    }
    Ok(visit.page(Place::Audit, title, &main))
}
