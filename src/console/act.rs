//! What is done from the console: one way for all of it, which asks for the operator's code and goes through `operate`.

use axum::extract::{Extension, Form, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::entrance::{local, seen_at};
use super::frame::{self, Visit};
use super::{Console, words};
use crate::domain::pause::Target;
use crate::operate::{self, Acted};
use crate::store::StoreError;

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    /// The code of the operator's forms.
    #[serde(default)]
    code: String,
    r#do: String,
    target: String,
    #[serde(default)]
    why: String,
    /// The page to come back to.
    #[serde(default)]
    back: String,
}

/// Does it, and says on the page it came from what it came to.
pub(super) async fn act(
    State(console): State<Console>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    Form(wish): Form<Wish>,
) -> Response {
    if !frame::is_from_here(&headers) || !visit.operator.made(&wish.code) {
        let words = visit.lang.pick(
            "Ce formulaire n’est pas de cette session : rechargez la page.\n",
            "This form is not of this session: load the page again.\n",
        );
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    let said = match done(&console, &visit, &wish).await {
        Ok(Some(said)) => said,
        Ok(None) => return StatusCode::BAD_REQUEST.into_response(),
        Err(error) => format!("{} {error}", visit.lang.pick("Rien n’a été fait :", "Nothing was done:")),
    };
    let mut response = seen_at(local(&wish.back));
    response.headers_mut().append(SET_COOKIE, frame::says(&said, &headers));
    response
}

/// What it came to; none where there is no such thing to do.
async fn done(console: &Console, visit: &Visit, wish: &Wish) -> Result<Option<String>, StoreError> {
    let (lang, operator, now) = (visit.lang, console.operator(visit), console.now());
    let ids = std::slice::from_ref(&wish.target);
    let (sent, cancelled) = lang.pick(
        ("Il attend d’être envoyé à nouveau.", "Il ne sera pas envoyé."),
        ("It waits to be sent again.", "It will not be sent."),
    );
    Ok(Some(match wish.r#do.as_str() {
        "pause" | "resume" => {
            let Ok(target) = wish.target.parse::<Target>() else { return Ok(None) };
            pausing(visit, &operator, wish, &target).await?
        }
        "retry" => acted(operator.retry(ids, false, now).await?, sent),
        "retry-even-if-sent" => acted(operator.retry(ids, true, now).await?, sent),
        "cancel" => acted(operator.cancel(ids, now).await?, cancelled),
        "replay" | "discard" => letter(console, visit, &operator, wish).await?,
        _ => return Ok(None),
    }))
}

async fn pausing(
    visit: &Visit,
    operator: &operate::Operator,
    wish: &Wish,
    target: &Target,
) -> Result<String, StoreError> {
    let name = words::target(visit, &wish.target);
    let lang = visit.lang;
    Ok(if wish.r#do == "resume" {
        match operator.resume(target).await? {
            true => format!("{} {name}", lang.pick("Repris :", "Resumed:")),
            false => format!("{} {name}", lang.pick("N’était pas en pause :", "Was not paused:")),
        }
    } else {
        let why = Some(wish.why.trim()).filter(|why| !why.is_empty());
        match operator.pause(target, why).await? {
            true => format!("{} {name}", lang.pick("En pause :", "Paused:")),
            false => format!("{} {name}", lang.pick("Déjà en pause :", "Paused already:")),
        }
    })
}

/// One message was named: it is done, or there is a reason.
fn acted(acted: Acted, done: &str) -> String {
    match acted.refused.into_iter().next() {
        Some((_, why)) => why,
        None => done.to_owned(),
    }
}

async fn letter(
    console: &Console,
    visit: &Visit,
    operator: &operate::Operator,
    wish: &Wish,
) -> Result<String, StoreError> {
    let lang = visit.lang;
    let Some(letter) = console.store.dead_letter(&wish.target).await? else {
        return Ok(lang.pick("Ce rejet n’est plus là.", "This letter is not here any more.").to_owned());
    };
    let ids = std::slice::from_ref(&wish.target);
    operator.note(&format!("dead-letters {}", wish.r#do), ids, None).await?;
    if wish.r#do == "discard" {
        console.store.remove_dead_letter(&letter.id).await?;
        return Ok(lang.pick("Supprimé.", "Discarded.").to_owned());
    }
    Ok(match operator.replay(&console.processor, &letter, console.now()).await? {
        Ok(replayed) => format!("{} {}", lang.pick("Rejoué :", "Replayed:"), replayed.words()),
        Err(unusable) => format!(
            "{} {}: {}",
            lang.pick("Refusé à nouveau :", "Refused again:"),
            unusable.reason.as_str(),
            unusable.detail
        ),
    })
}
