//! `/u/TOKEN`: the way out of one purpose on one channel, by one click (RFC 8058) or by a button.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::Response;

use super::super::page::Lang;
use super::form::{Form, proof};
use super::word::Word;
use super::{Public, Token, frame, invalid, limited, text};
use crate::domain::consent::ConsentStatus;
use crate::domain::token::{Preferences, Unsubscribe};

/// The source of the events that these links make.
const SOURCE: &str = "/declic/unsubscribe";

pub(super) async fn show(
    State(public): State<Public>,
    token: Token,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let lang = Lang::of(&headers);
    if let Some(refusal) = limited(&public, lang, &extensions, &headers) {
        return refusal;
    }
    match Unsubscribe::open(text(&token), &public.keys) {
        Some(link) => question(lang, &public, &link, StatusCode::OK),
        None => frame::invalid_link(lang, &public),
    }
}

pub(super) async fn act(
    State(public): State<Public>,
    token: Token,
    extensions: Extensions,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let lang = Lang::of(&headers);
    let Some(link) = Unsubscribe::open(text(&token), &public.keys) else {
        return invalid(&public, lang, &extensions, &headers);
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return question(lang, &public, &link, rejection.status()),
    };
    let form = Form::of(&headers, &body);
    let method = if form.has("List-Unsubscribe", "One-Click") {
        "one_click"
    } else if form.has("confirm", "yes") {
        "page"
    } else {
        return question(lang, &public, &link, StatusCode::BAD_REQUEST);
    };
    let word = Word {
        source: SOURCE,
        customer_id: &link.customer_id,
        message_id: &link.message_id,
        channel: link.channel,
        purpose: &link.purpose,
        status: ConsentStatus::Withdrawn,
        proof: proof("unsubscribe-link", method, &extensions, &headers),
    };
    match (public.tell)(vec![word.event("", (public.now)())]).await {
        Ok(()) => withdrawn(lang, &public, &link),
        Err(error) => {
            tracing::error!(message_id = link.message_id, %error, "a withdrawal could not be recorded");
            frame::unavailable(lang, &public, Some("confirm"))
        }
    }
}

fn question(lang: Lang, public: &Public, link: &Unsubscribe, status: StatusCode) -> Response {
    let title = lang.pick("Vous désinscrire ?", "Unsubscribe?");
    let text = lang.pick("Vous ne recevrez plus", "You will no longer receive");
    let note = lang.pick(
        "Rien ne change tant que vous n’avez pas cliqué. Vos autres choix restent les mêmes.",
        "Nothing changes until you click. Your other choices stay as they are.",
    );
    let body = format!(
        "<p>{text} {what}.</p>\n{form}\n<p class=\"quiet\">{note}</p>\n{all}",
        what = frame::messages(lang, public, link.channel, &link.purpose),
        form = frame::button("confirm", lang.pick("Me désinscrire", "Unsubscribe")),
        all = preferences(lang, public, link),
    );
    frame::respond(lang, public, status, title, &body)
}

fn withdrawn(lang: Lang, public: &Public, link: &Unsubscribe) -> Response {
    let title = lang.pick("C’est fait", "Done");
    let text = lang.pick("Vous ne recevrez plus", "You will no longer receive");
    let note = lang.pick(
        "Un message déjà en route peut encore vous parvenir. Vous pouvez fermer cette page.",
        "A message already on its way may still reach you. You can close this page.",
    );
    let what = frame::messages(lang, public, link.channel, &link.purpose);
    let all = preferences(lang, public, link);
    let body = format!("<p>{text} {what}.</p>\n<p class=\"quiet\">{note}</p>\n{all}");
    frame::respond(lang, public, StatusCode::OK, title, &body)
}

fn preferences(lang: Lang, public: &Public, link: &Unsubscribe) -> String {
    let link = Preferences { customer_id: link.customer_id.clone(), message_id: link.message_id.clone() };
    frame::to_preferences(lang, public, &link)
}
