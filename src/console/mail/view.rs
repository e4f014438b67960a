//! The pages of captured mail, as HTML. Called by the handlers beside it; asks nothing, only writes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::response::Response;
use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::{Content, Mail, MailSummary, PER_PAGE};
use crate::console::frame::{Place, Visit};
use crate::ops::page::{Lang, escape};

/// Colours in the style sheet, `.t0` and on.
const TINTS: u32 = 6;
/// The list, newest first; `mails` is in that order already.
pub(super) fn list(visit: &Visit, mails: &[MailSummary], page: usize, live: bool) -> Response {
    let lang = visit.lang;
    let title = lang.pick("Courrier capturé", "Captured mail");
    let lead = match (lang, mails.len()) {
        (Lang::Fr, 0 | 1) => format!("{} message. Rien n’a quitté cette machine.", mails.len()),
        (Lang::Fr, n) => format!("{n} messages. Rien n’a quitté cette machine."),
        (Lang::En, 1) => "1 message. Nothing has left this machine.".to_owned(),
        (Lang::En, n) => format!("{n} messages. Nothing has left this machine."),
    };
    // A reader of older mails is not torn from them.
    let live = if live && page == 1 { " data-live" } else { "" };
    let mut body =
        format!("<h1>{title}</h1>\n<div id=\"mails\"{live}>\n<p class=\"lead\">{lead}</p>\n{}", sums(mails));
    if mails.is_empty() {
        body.push_str(&nothing_yet(lang));
    }
    let skipped = page.saturating_sub(1).saturating_mul(PER_PAGE);
    let shown = mails.get(skipped..).unwrap_or_default();
    let shown = &shown[..shown.len().min(PER_PAGE)];
    let day = |at: DateTime<Utc>| at.with_timezone(&visit.zone).date_naive();
    for of_day in shown.chunk_by(|a, b| day(a.at) == day(b.at)) {
        let _ =
            write!(body, "<h2 class=\"day\">{}</h2>\n<ul class=\"mails\">\n", date(lang, day(of_day[0].at)));
        of_day.iter().for_each(|mail| body.push_str(&line(visit, mail)));
        body.push_str("</ul>\n");
    }
    body.push_str(&pages(lang, page, mails.len()));
    body.push_str("</div>");
    let title = if mails.is_empty() { title.to_owned() } else { format!("({}) {title}", mails.len()) };
    visit.page(Place::Mail, &title, &body)
}

/// One mail, with the numbers of its neighbours where they are still kept.
pub(super) fn mail(visit: &Visit, mail: &Mail, older: Option<u64>, newer: Option<u64>) -> Response {
    let MailSummary { seq, at, to, from, subject, rule, locale, customer_id, sms } = &mail.summary;
    let lang = visit.lang;
    let subject_html = if *sms {
        "SMS".to_owned()
    } else if subject.is_empty() {
        lang.pick("(sans objet)", "(no subject)").to_owned()
    } else {
        escape(subject)
    };
    let mut body = format!("<h1><bdi>{subject_html}</bdi></h1>\n<dl class=\"facts\">\n");
    let facts = [
        (lang.pick("De", "From"), format!("<bdi>{}</bdi>", escape(from))),
        (lang.pick("À", "To"), format!("<bdi>{}</bdi>", escape(to))),
        (lang.pick("Le", "On"), visit.time(*at)),
        (lang.pick("Règle", "Rule"), rule_tag(rule, "")),
        (lang.pick("Langue", "Language"), escape(locale)),
        (lang.pick("Client", "Customer"), escape(customer_id)),
    ];
    for (name, value) in facts {
        let _ = writeln!(body, "<dt>{name}</dt><dd>{value}</dd>");
    }
    let neighbours = format!(
        "{list}{newer}{older}",
        list = link("/mail", lang.pick("← Tout le courrier", "← All mail")),
        newer = newer.map_or(String::new(), |n| link(&format!("/mail/{n}"), lang.pick("Suivant", "Newer"))),
        older = older.map_or(String::new(), |n| link(&format!("/mail/{n}"), lang.pick("Précédent", "Older"))),
    );
    let _ = match &mail.content {
        Content::Email { text, .. } => write!(
            body,
            "</dl>\n<nav class=\"actions\">{neighbours}<a href=\"/mail/{seq}/html\" target=\"_blank\">{alone}</a>\
             <a href=\"/mail/{seq}/raw\">{raw}</a></nav>\n\
             <iframe class=\"sheet\" src=\"/mail/{seq}/html\" title=\"{frame}\" \
             sandbox=\"allow-popups allow-popups-to-escape-sandbox\"></iframe>\n\
             <details><summary>{text_part}</summary><pre>{text}</pre></details>",
            alone = lang.pick("Plein écran", "Full screen"),
            raw = lang.pick("Source (.eml)", "Source (.eml)"),
            frame = lang.pick("Le message", "The message"),
            text_part = lang.pick("Version texte", "Text version"),
            text = escape(text),
        ),
        Content::Sms { text, parts, encoding } => write!(
            body,
            "<dt>{name}</dt><dd>{size}</dd>\n</dl>\n<nav class=\"actions\">{neighbours}</nav>\n\
             <p class=\"bubble\"><bdi>{text}</bdi></p>",
            name = lang.pick("Taille", "Size"),
            size = match (lang, parts) {
                (_, 1) => format!("1 SMS, {encoding}"),
                (Lang::Fr, n) => format!("{n} SMS mis bout à bout, {encoding}"),
                (Lang::En, n) => format!("{n} SMS joined into one, {encoding}"),
            },
            text = escape(text),
        ),
    };
    visit.page(Place::Mail, if subject.is_empty() { to } else { subject }, &body)
}

/// The answer for a mail that never was or is no longer kept.
pub(super) fn gone(visit: &Visit) -> Response {
    let text = visit.lang.pick(
        "Seuls les plus récents sont gardés, et rien ne reste après l’arrêt.",
        "Only the newest are kept, and none outlives the process.",
    );
    visit.missing(Place::Mail, text)
}

/// How many mails each rule has sent, most first.
fn sums(mails: &[MailSummary]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for mail in mails {
        *counts.entry(&mail.rule).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let tags: String = counts
        .iter()
        .map(|(rule, n)| format!("<li>{}</li>", rule_tag(rule, &format!(" <b>{n}</b>"))))
        .collect();
    if tags.is_empty() { tags } else { format!("<ul class=\"sums\">{tags}</ul>\n") }
}

fn line(visit: &Visit, mail: &MailSummary) -> String {
    let initial = mail.to.chars().find(|c| c.is_alphanumeric()).unwrap_or('?');
    format!(
        "<li><a href=\"/mail/{seq}\"><span class=\"face t{tint}\" aria-hidden=\"true\">{initial}</span>\
         <bdi class=\"subject\">{subject}</bdi><time class=\"when\" datetime=\"{stamp}\">{time}</time>\
         <bdi class=\"to\">{to}</bdi><span class=\"meta\">{sms}<span class=\"locale\">{locale}</span>{rule}</span></a></li>\n",
        seq = mail.seq,
        tint = tint(&mail.customer_id),
        initial = escape(&initial.to_string()),
        subject = if mail.subject.is_empty() { "—".to_owned() } else { escape(&mail.subject) },
        stamp = mail.at.to_rfc3339(),
        time = visit.hour(mail.at),
        to = escape(&mail.to),
        sms = if mail.sms { "<span class=\"locale\">SMS</span>" } else { "" },
        locale = escape(&mail.locale),
        rule = rule_tag(&mail.rule, ""),
    )
}

fn nothing_yet(lang: Lang) -> String {
    let (first, second) = lang.pick(
        ("Rien encore.", "Les messages paraîtront ici dès qu’une règle en enverra un."),
        ("Nothing yet.", "Messages appear here as soon as a rule sends one."),
    );
    format!("<div class=\"empty\"><p><strong>{first}</strong></p><p>{second}</p></div>\n")
}

fn pages(lang: Lang, page: usize, mails: usize) -> String {
    let last = mails.div_ceil(PER_PAGE).max(1);
    if last == 1 && page == 1 {
        return String::new();
    }
    let to = |page: usize, label: &str| link(&format!("/mail?page={page}"), label);
    let newer = if page > 1 {
        to((page - 1).min(last), lang.pick("← Plus récents", "← Newer"))
    } else {
        String::new()
    };
    let older =
        if page < last { to(page + 1, lang.pick("Plus anciens →", "Older →")) } else { String::new() };
    format!("<nav class=\"pages\"><span>{newer}</span><span>{older}</span></nav>\n")
}

/// `more` is HTML.
fn rule_tag(rule: &str, more: &str) -> String {
    format!("<span class=\"rule t{}\">{}{more}</span>", tint(rule), escape(rule))
}

fn link(to: &str, label: &str) -> String {
    format!("<a href=\"{to}\">{label}</a>")
}

/// The same name always has the same colour.
fn tint(name: &str) -> u32 {
    name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) % TINTS
}

/// « lundi 23 novembre 2026 », “Monday 23 November 2026”.
fn date(lang: Lang, day: NaiveDate) -> String {
    const DAYS: [[&str; 7]; 2] = [
        ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    ];
    const MONTHS: [[&str; 12]; 2] = [
        [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
    ];
    let language = lang.pick(0, 1);
    let weekday = DAYS[language][day.weekday().num_days_from_monday() as usize];
    let first = if day.day() == 1 { lang.pick("er", "") } else { "" };
    format!("{weekday} {}{first} {} {}", day.day(), MONTHS[language][day.month0() as usize], day.year())
}
