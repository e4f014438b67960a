//! What the public pages share: their frame, buttons, the words for what a purpose is, and the pages of refusals.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::super::page::{Lang, Page, escape};
use super::Public;
use crate::domain::consent::Channel;
use crate::domain::token::Preferences;

const CSS: &str = include_str!("../public.css");
const POLICY: &str = "form-action 'self'; frame-ancestors 'none'";

/// What a mail provider is told to wait when a word could not be kept, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// A page with this heading. `body` is HTML, in which the caller has escaped what is not its own.
pub(super) fn respond(lang: Lang, public: &Public, status: StatusCode, title: &str, body: &str) -> Response {
    let shop = (public.policy)().sender.name;
    let head =
        if shop.is_empty() { String::new() } else { format!("<p class=\"shop\">{}</p>\n", escape(&shop)) };
    let page_title = if shop.is_empty() { title.to_owned() } else { format!("{title} – {shop}") };
    let body = format!("<main>\n{head}<h1>{title}</h1>\n{body}\n</main>");
    Page { lang, title: page_title, css: CSS, policy: POLICY, body }.respond(status)
}

/// A button that posts to the page's own address.
pub(super) fn button(name: &str, label: &str) -> String {
    format!("<form method=\"post\"><button name=\"{name}\" value=\"yes\">{label}</button></form>")
}

/// A link to all choices. Relative: the pages may lie below a path of the shop's own site.
pub(super) fn to_preferences(lang: Lang, public: &Public, link: &Preferences) -> String {
    let words = lang.pick("Voir et modifier tous vos choix", "See and change all your choices");
    format!("<p><a href=\"../p/{}\">{words}</a></p>", link.seal(public.keys.first()))
}

/// What a purpose is called, as HTML.
pub(super) fn purpose(lang: Lang, public: &Public, name: &str) -> String {
    escape(&purpose_words(lang, public, name))
}

/// What a purpose is called: in the shop's words, else in ours, else by its name.
pub(super) fn purpose_words(lang: Lang, public: &Public, name: &str) -> String {
    let policy = (public.policy)();
    let label = policy.purposes.get(name).map(|purpose| &purpose.label);
    let in_language = |code: &str| {
        let tags = label.into_iter().flatten();
        tags.filter(|(tag, _)| tag.split('-').next() == Some(code)).map(|(_, words)| words.as_str()).next()
    };
    let ours = match name {
        "marketing" => Some(lang.pick("Offres et nouveautés", "Offers and news")),
        "service" => Some(lang.pick("Messages de service", "Service messages")),
        "transactional" => {
            Some(lang.pick("Suivi de vos commandes et de votre compte", "Your orders and your account"))
        }
        _ => None,
    };
    let default = policy.default_locale.split('-').next().unwrap_or_default();
    in_language(lang.code()).or(ours).or_else(|| in_language(default)).unwrap_or(name).to_owned()
}

/// The messages of a channel and purpose, as HTML: « les e-mails commerciaux de Maison Lumen ».
pub(super) fn messages(lang: Lang, public: &Public, channel: Channel, name: &str) -> String {
    let policy = (public.policy)();
    let kind = match channel {
        Channel::Email => "e-mails",
        Channel::Sms => lang.pick("SMS", "text messages"),
    };
    let labelled = policy.purposes.get(name).is_some_and(|purpose| !purpose.label.is_empty());
    let what = match (lang, name) {
        (Lang::Fr, "marketing") if !labelled => format!("les {kind} commerciaux"),
        (Lang::En, "marketing") if !labelled => format!("marketing {kind}"),
        (Lang::Fr, "service") if !labelled => format!("les {kind} de service"),
        (Lang::En, "service") if !labelled => format!("service {kind}"),
        (Lang::Fr, "transactional") if !labelled => format!("les {kind} sur vos commandes"),
        (Lang::En, "transactional") if !labelled => format!("{kind} about your orders"),
        (Lang::Fr, own) => format!("les {kind} « {} »", purpose(lang, public, own)),
        (Lang::En, own) => format!("“{}” {kind}", purpose(lang, public, own)),
    };
    let shop = &policy.sender.name;
    let from = if shop.is_empty() {
        String::new()
    } else {
        format!(" {} {}", lang.pick("de", "from"), escape(shop))
    };
    format!("<strong>{what}</strong>{from}")
}

pub(super) fn not_found(lang: Lang, public: &Public) -> Response {
    let title = lang.pick("Page introuvable", "Page not found");
    let text = lang.pick("Il n’y a rien à cette adresse.", "There is nothing at this address.");
    respond(lang, public, StatusCode::NOT_FOUND, title, &format!("<p>{text}</p>"))
}

pub(super) fn invalid_link(lang: Lang, public: &Public) -> Response {
    let title = lang.pick("Ce lien n’est pas valable", "This link is not valid");
    let (why, help) = lang.pick(
        (
            "Il a sans doute été coupé ou modifié en chemin. Rien n’a changé.",
            "Ouvrez-le de nouveau depuis l’e-mail, en entier. S’il ne marche toujours pas, répondez à l’e-mail : \
             nous ferons le nécessaire.",
        ),
        (
            "It was probably cut short or altered on its way. Nothing has changed.",
            "Open it again from the e-mail, in full. If it still does not work, reply to the e-mail and we will \
             do it for you.",
        ),
    );
    respond(lang, public, StatusCode::NOT_FOUND, title, &format!("<p>{why}</p>\n<p>{help}</p>"))
}

/// Of a customer who has been erased.
pub(super) fn erased(lang: Lang, public: &Public) -> Response {
    let title = lang.pick("Vos données sont effacées", "Your data has been erased");
    let text = lang.pick(
        "Nous ne savons plus rien de vous et ne vous écrivons plus. Il n’y a rien à régler ici.",
        "We know nothing of you any more and do not write to you. There is nothing to set here.",
    );
    respond(lang, public, StatusCode::GONE, title, &format!("<p>{text}</p>"))
}

/// Of a database that does not answer. `retry` is the button by which to send the same again.
pub(super) fn unavailable(lang: Lang, public: &Public, retry: Option<&str>) -> Response {
    let title = lang.pick("Un instant…", "One moment…");
    let text = lang.pick(
        "Votre demande n’a pas pu être enregistrée. Veuillez réessayer dans une minute.",
        "Your request could not be recorded. Please try again in a minute.",
    );
    let form = retry.map(|name| button(name, lang.pick("Réessayer", "Try again"))).unwrap_or_default();
    let mut response =
        respond(lang, public, StatusCode::SERVICE_UNAVAILABLE, title, &format!("<p>{text}</p>\n{form}"));
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}

pub(super) fn too_many(lang: Lang, public: &Public, wait: Duration) -> Response {
    let title = lang.pick("Un peu de patience", "A little patience");
    let text = lang.pick(
        "Trop de pages ont été demandées depuis votre connexion. Rien n’a changé ; réessayez dans une minute.",
        "Too many pages were asked for from your connection. Nothing has changed; try again in a minute.",
    );
    let mut response = respond(lang, public, StatusCode::TOO_MANY_REQUESTS, title, &format!("<p>{text}</p>"));
    // Rounded up, so that who waits as told is let in.
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    response
}
