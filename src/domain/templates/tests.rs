//! Rendering and diagnostics of templates, case by case.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile};

fn files(files: &[(&str, &str)]) -> Vec<SourceFile> {
    files.iter().map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }).collect()
}

/// A template whose only content is `body` within an mj-text.
fn mail(subject: &str, body: &str) -> String {
    page(subject, &format!("<mj-section><mj-column><mj-text>{body}</mj-text></mj-column></mj-section>"))
}

fn page(subject: &str, body: &str) -> String {
    let subject = subject.replace('\'', "''");
    format!("---\nsubject: '{subject}'\n---\n<mjml>\n<mj-body>\n{body}\n</mj-body>\n</mjml>\n")
}

fn check(text: &str) -> (Option<Arc<Template>>, Vec<Diagnostic>) {
    let (templates, diagnostics) = compile(&files(&[("templates/t/email.fr.mjml", text)]), "fr");
    (templates.resolve("t", "fr"), diagnostics)
}

fn template(text: &str) -> Arc<Template> {
    let (template, diagnostics) = check(text);
    assert_eq!(diagnostics, [], "{text}");
    template.unwrap()
}

/// What an expression renders to in the subject of a template of this locale, or the error.
fn shown(expression: &str, locale: &str, context: Value) -> Result<String, String> {
    let mut context = context;
    context["locale"] = json!(locale);
    context["timezone"] = json!("Europe/Paris");
    let path = format!("templates/t/email.{locale}.mjml");
    let (templates, diagnostics) = compile(&files(&[(&path, &mail(expression, "x"))]), locale);
    assert_eq!(diagnostics, [], "{expression}");
    let template = templates.resolve("t", locale).unwrap();
    template.render(context.clone()).map(|r| r.subject).map_err(|e| e.message)
}

#[test]
fn expressions_speak_the_locale() {
    let cases: &[(&str, &str, Value, &str)] = &[
        // Group separators of French are U+202F, the space before a unit is U+00A0.
        ("{{money data.a \"EUR\"}}", "fr", json!(1234.5), "1\u{202f}234,50\u{a0}€"),
        ("{{money data.a \"EUR\"}}", "en", json!(1234.5), "€1,234.50"),
        ("{{money data.a \"EUR\"}}", "en", json!(-3), "-€3.00"),
        ("{{money data.a \"EUR\"}}", "fr", json!("19.9"), "19,90\u{a0}€"),
        ("{{money data.a \"EUR\"}}", "fr", json!(0.1 + 0.2), "0,30\u{a0}€"),
        ("{{money data.a \"GBP\"}}", "en-GB", json!(5), "£5.00"),
        ("{{money data.a \"USD\"}}", "en", json!(5), "$5.00"),
        ("{{money data.a \"USD\"}}", "fr", json!(5), "5,00\u{a0}$US"),
        ("{{money data.a \"CAD\"}}", "fr-CA", json!(5), "5,00\u{a0}$"),
        ("{{money data.a \"CAD\"}}", "en", json!(5), "CA$5.00"),
        ("{{money data.a \"AUD\"}}", "en", json!(5), "A$5.00"),
        ("{{money data.a \"CHF\"}}", "fr-CH", json!(5), "5,00\u{a0}CHF"),
        ("{{money data.a \"CHF\"}}", "en", json!(5), "CHF\u{a0}5.00"),
        ("{{money data.a \"CHF\"}}", "de-CH", json!(5), "CHF\u{a0}5.00"),
        ("{{money data.a \"EUR\"}}", "de", json!(1234.5), "1.234,50\u{a0}€"),
        ("{{money data.a \"EUR\"}}", "nl", json!(5), "€\u{a0}5,00"),
        ("{{money data.a \"EUR\"}}", "pt-PT", json!(5), "5,00\u{a0}€"),
        ("{{money data.a \"DKK\"}}", "da", json!(5), "5,00\u{a0}kr."),
        ("{{money data.a \"JPY\"}}", "en", json!(1200), "¥1,200"),
        ("{{number data.a}}", "fr", json!(1234567.5), "1\u{202f}234\u{202f}567,5"),
        ("{{number data.a}}", "en", json!(1234567), "1,234,567"),
        ("{{number data.a}}", "en", json!(u64::MAX), "18,446,744,073,709,551,615"),
        ("{{date data.a}}", "fr", json!("2026-02-28T23:30:00Z"), "1 mars 2026"),
        ("{{date data.a}}", "en", json!("2026-02-28T22:30:00Z"), "February 28, 2026"),
        ("{{date data.a}}", "fr", json!("2026-02-28"), "28 février 2026"),
        ("{{date data.a \"full\"}}", "fr", json!("2026-02-28"), "samedi 28 février 2026"),
        ("{{date data.a \"full\"}}", "en", json!("2026-02-28"), "Saturday, February 28, 2026"),
        ("{{date data.a \"medium\"}}", "en", json!("2026-02-28"), "Feb 28, 2026"),
        ("{{date data.a \"short\"}}", "fr", json!("2026-02-28"), "28/02/2026"),
        ("{{date data.a \"day\"}}", "fr", json!("2026-02-28"), "28 février"),
        ("{{date data.a \"day\"}}", "en", json!("2026-02-28"), "February 28"),
        ("{{date data.a \"time\"}}", "fr", json!("2026-02-28T08:05:00+00:00"), "09:05"),
        ("{{plural data.a one=\"# article\" other=\"# articles\"}}", "fr", json!(0), "0 article"),
        ("{{plural data.a one=\"# item\" other=\"# items\"}}", "en", json!(0), "0 items"),
        ("{{plural data.a one=\"# item\" other=\"# items\"}}", "en", json!(1), "1 item"),
        (
            "{{plural data.a one=\"# article\" other=\"# articles\"}}",
            "fr",
            json!(1200),
            "1\u{202f}200 articles",
        ),
        ("{{discount data.a}}", "fr", json!({"percent": 1500}), "15\u{a0}%"),
        ("{{discount data.a}}", "en", json!({"percent": 1250}), "12.5%"),
        ("{{discount data.a}}", "fr", json!({"amount": [500, "EUR"]}), "5,00\u{a0}€"),
        ("{{discount data.a}}", "en", json!({"amount": [1200, "JPY"]}), "¥1,200"),
        ("{{default data.a \"ami\"}}", "fr", json!("  "), "ami"),
        ("{{default data.b \"ami\"}}", "fr", json!(1), "ami"),
        ("{{default data.a \"ami\"}}", "fr", json!("Zoé"), "Zoé"),
        ("{{url data.a}}", "fr", json!("https://x.example/?a=1&b=2"), "https://x.example/?a=1&b=2"),
        ("{{urlencode data.a}}", "fr", json!("é&/ b"), "%C3%A9%26%2F%20b"),
        ("{{#if (or data.b data.a)}}y{{else}}n{{/if}}", "fr", json!(true), "y"),
        ("{{#if (and data.b data.a)}}y{{else}}n{{/if}}", "fr", json!(true), "n"),
        ("{{#if (not data.b)}}y{{/if}}", "fr", json!(true), "y"),
        ("{{#if (gt data.a 2)}}y{{else}}n{{/if}}", "fr", json!(3), "y"),
        ("{{#if customer.first_name}}x{{else}}anonyme{{/if}}", "fr", json!(1), "anonyme"),
        ("{{len data.a}}", "fr", json!([1, 2]), "2"),
    ];
    for (expression, locale, value, want) in cases {
        let got = shown(expression, locale, json!({"data": {"a": value}}));
        assert_eq!(got.as_deref(), Ok(*want), "{expression} in {locale}");
    }
}

#[test]
fn what_cannot_be_shown_says_where_and_why() {
    let cases: &[(&str, Value, &[&str])] = &[
        (
            "{{customer.frist_name}}",
            json!({}),
            &["template t (fr), subject", "email.fr.mjml:2", "customer.frist_name"],
        ),
        ("{{money data.a data.b}}", json!({"a": 5}), &["`data.b` has no value"]),
        ("{{money data.a data.a}}", json!({"a": 5}), &["`money`", "currency"]),
        ("{{money data.a \"EUR\"}}", json!({"a": "cinq"}), &["`data.a` is not a number", "email.fr.mjml:2"]),
        ("{{money data.a \"EUR\"}}", json!({"a": null}), &["`data.a` has no value"]),
        ("{{date data.a}}", json!({"a": "demain"}), &["`data.a` \"demain\" is not a date"]),
        ("{{date data.a}}", json!({"a": "+262142-01-01T00:00:00Z"}), &["not a date"]),
        ("{{discount data.a}}", json!({"a": {"percent": "15"}}), &["`data.a` is not a discount"]),
        ("{{plural data.a other=\"x\"}}", json!({"a": []}), &["`data.a` is not a number"]),
        (
            "{{url data.a}}",
            json!({"a": "javascript:alert(1)"}),
            &["`data.a` is not an http, https or mailto link"],
        ),
        ("{{url data.a}}", json!({"a": " JaVaScRiPt:alert(1)"}), &["not an http"]),
        ("{{url data.a}}", json!({"a": "data:text/html,x"}), &["not an http"]),
        ("{{url data.a}}", json!({"a": "https://x/\r\nBcc: y"}), &["not an http"]),
        ("{{url data.a}}", json!({"a": "ééééé"}), &["not an http"]),
        ("{{#each data.a}}{{x}}{{/each}}", json!({"a": [{}]}), &["`x` has no value"]),
        ("{{#each data.none}}{{x}}{{/each}}", json!({}), &["`data.none` has no value"]),
    ];
    for (expression, data, wanted) in cases {
        let error = shown(expression, "fr", json!({"data": data, "customer": {}})).unwrap_err();
        for want in *wanted {
            assert!(error.contains(want), "{expression}: {error:?} lacks {want:?}");
        }
    }
    let broken = template(&mail("s", "Bonjour\n{{customer.nom}}"));
    let error = broken.render(json!({"customer": {}})).unwrap_err().message;
    assert_eq!(error, "template t (fr), html, templates/t/email.fr.mjml:7: `customer.nom` has no value");
}

#[test]
fn hostile_values_stay_values() {
    let body =
        "<a href=\"{{url customer.site}}\" title=\"{{customer.first_name}}\">{{customer.first_name}}</a>";
    let t = template(&mail("Bonjour {{customer.first_name}}", body));
    let render = |name: &str| {
        t.render(json!({"customer": {"first_name": name, "site": "https://x.example/\"onmouseover=\"x"}}))
            .unwrap()
    };
    for name in ["<script>alert(1)</script>", "\"><img src=x>", "'onload='x", "{{customer.id}}", "&lt;b&gt;"]
    {
        let mail = render(name);
        assert!(!mail.html.contains("<script>") && !mail.html.contains("<img src=x"), "{}", mail.html);
        assert!(!mail.html.contains("\"onmouseover"), "{}", mail.html);
        assert_eq!(mail.subject, format!("Bonjour {name}"), "a subject is text, not HTML");
        assert!(mail.text.contains(name), "{}", mail.text);
    }
    assert_eq!(
        render("A\r\nBcc: evil@example.com\u{2028}\u{0}B").subject,
        "Bonjour A Bcc: evil@example.com B"
    );
    for name in ["אבגד", "محمد", "Zoë 🧁", "O’Neil"] {
        let mail = render(name);
        assert!(mail.subject.ends_with(name) && mail.html.contains(name) && mail.text.contains(name));
    }
}

#[test]
fn text_comes_from_the_file_or_from_the_html() {
    let html = mail(
        "s",
        "Fish &amp; <b>chips</b> for {{customer.first_name}}, <a href=\"https://x.example/a\">here</a>",
    );
    let context = json!({"customer": {"first_name": "A & <B>"}});
    let derived = template(&html).render(context.clone()).unwrap().text;
    assert!(derived.contains("Fish & ") && derived.contains("for A & <B>,"), "{derived}");
    assert!(derived.contains("https://x.example/a"), "{derived}");
    let hidden =
        html.replacen("---\n<mjml>", "preheader: 'For {{customer.first_name}}: <new>'\n---\n<mjml>", 1);
    let with_preheader = template(&hidden).render(context.clone()).unwrap();
    assert_eq!(with_preheader.text, derived, "what is hidden in HTML does not show in the text");
    assert!(
        with_preheader.html.contains(">For A &amp; &lt;B&gt;: &lt;new&gt;&#847;"),
        "{}",
        with_preheader.html
    );
    assert!(with_preheader.html.contains("<title>s</title>"));
    let both = files(&[
        ("templates/t/email.fr.mjml", &html),
        ("templates/t/email.fr.txt", "À {{customer.first_name}}\n{{> pied}}\n"),
        ("templates/_partials/pied.txt", "-- \nNous\n"),
    ]);
    let (templates, diagnostics) = compile(&both, "fr");
    assert_eq!(diagnostics, []);
    let both = templates.resolve("t", "fr").unwrap();
    let mail = both.render(context.clone()).unwrap();
    assert_eq!(mail.text, "À A & <B>\n-- \nNous\n");
    // Whoever asks for the words alone gets the same, and the same errors: here the HTML's and the text's.
    let nobody = json!({ "customer": {} });
    for (template, context) in [(template(&html), &context), (both.clone(), &context), (both, &nobody)] {
        let words = template.render(context.clone()).map(|mail| (mail.subject, mail.text));
        assert_eq!(template.render_words(context.clone()), words);
    }
}

#[test]
fn locales_fall_back() {
    let one = mail("s", "x");
    let set = files(&[
        ("templates/t/email.fr.mjml", &one),
        ("templates/t/email.en.mjml", &one),
        ("templates/t/email.pt-BR.mjml", &one),
        ("templates/half/email.en.mjml", &one),
    ]);
    let (templates, diagnostics) = compile(&set, "fr");
    assert_eq!(diagnostics.len(), 1);
    assert!(diagnostics[0].message.contains("`half` has no version in the default locale"));
    assert_eq!(templates.names().collect::<Vec<_>>(), ["half", "t"]);
    assert!(templates.contains("t") && !templates.contains("half") && !templates.contains("other"));
    assert!(templates.resolve("half", "de").is_none() && templates.resolve("other", "fr").is_none());
    for (asked, got) in [
        ("fr", "fr"),
        ("fr-CA", "fr"),
        ("FR_ca", "fr"),
        ("en-GB-oxendict", "en"),
        ("pt-br", "pt-BR"),
        ("pt", "fr"),
        ("de", "fr"),
        ("", "fr"),
        ("-", "fr"),
        ("../../etc/passwd", "fr"),
        ("é\u{0}🧁", "fr"),
        (&"en-".repeat(10_000), "en"),
    ] {
        assert_eq!(templates.resolve("t", asked).unwrap().locale, got, "{asked:.20}");
    }
}

#[test]
fn values_follow_the_customer_within_the_language_of_the_text() {
    let t = template(&mail("{{money data.a \"CAD\"}}", "x"));
    let subject = |locale: &str| t.render(json!({"data": {"a": 5}, "locale": locale})).unwrap().subject;
    assert_eq!(subject("fr-CA"), "5,00\u{a0}$");
    assert_eq!(subject("fr"), "5,00\u{a0}$CA");
    assert_eq!(subject("de-DE"), "5,00\u{a0}$CA", "a German customer reads the French text in French");
    assert_eq!(subject("fr_!!\u{0}"), "5,00\u{a0}$CA", "an unusable tag falls back to the template's");
}

#[test]
fn loops_stay_in_their_tables() {
    let rows = "{{#each data.items}}<tr><td title=\"{{name}}\">{{name}}</td></tr>{{/each}}";
    let body = format!("<mj-section><mj-column><mj-table>{rows}</mj-table></mj-column></mj-section>");
    let html =
        template(&page("s", &body)).render(json!({"data": {"items": [{"name": "A\"<"}, {"name": "B"}]}}));
    let html = html.unwrap().html;
    let rows: Vec<&str> = html.split("<tr>").filter(|row| row.contains("title=")).collect();
    assert_eq!(rows.len(), 2);
    assert!(
        rows[0].contains("title=\"A&quot;&lt;\"") && rows[0].contains(">A&quot;&lt;</td></tr>"),
        "{}",
        rows[0]
    );
    assert!(!html.contains("<tbody><tr><td title=\"B\""), "one body for all rows");
}

#[test]
fn includes_prefer_the_locale_and_keep_places() {
    let text = "---\nsubject: s\npreheader: \"Pour <vous> & {{customer.id}}\"\n---\n<mjml><mj-body>\n<mj-include path=\"pied\" />\n</mj-body></mjml>";
    let part = |content: &str| {
        format!("<mj-section>\n<mj-column><mj-text>{content}</mj-text></mj-column></mj-section>\n")
    };
    let (fr, other) = (part("en français {{customer.id}}"), part("neutral"));
    let set = [
        ("templates/t/email.fr-CA.mjml", text),
        ("templates/t/email.en.mjml", text),
        ("templates/_partials/pied.fr.mjml", fr.as_str()),
        ("templates/_layouts/pied.mjml", other.as_str()),
    ];
    let (templates, diagnostics) = compile(&files(&set), "en");
    assert_eq!(diagnostics, []);
    let html =
        |locale: &str| templates.resolve("t", locale).unwrap().render(json!({"customer": {"id": "c"}}));
    assert!(html("fr-CA").unwrap().html.contains("en français c"));
    let english = html("en").unwrap().html;
    assert!(english.contains("neutral") && english.contains("Pour &lt;vous&gt; &amp; c"), "{english}");
    let wrong = part("{{customre.id}}");
    let set = [set[0], ("templates/_partials/pied.fr.mjml", wrong.as_str())];
    let (_, diagnostics) = compile(&files(&set), "fr-CA");
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    assert_eq!(diagnostics[0].path, "templates/_partials/pied.fr.mjml");
    assert_eq!(&wrong[diagnostics[0].span.clone()], "{{customre.id}}");
}

#[test]
fn faults_are_found_at_load() {
    let raw = |inner: &str| page("s", &format!("<mj-section><mj-column>{inner}</mj-column></mj-section>"));
    // Text, code, what the message or the help says, what the span covers (or begins with).
    let cases: &[(String, &str, &str, &str)] = &[
        (mail("s", "{{customre.id}}"), "E0513", "did you mean `customer`?", "{{customre.id}}"),
        (mail("s", "{{#if typo}}x{{/if}}"), "E0513", "there is no `typo`", "{{#if typo}}"),
        (mail("{{typo}}", "x"), "E0513", "there is no `typo`", "'{{typo}}'"),
        (mail("s", "{{mony data.a \"EUR\"}}"), "E0511", "did you mean `money`?", "{{mony"),
        (mail("s", "{{#if (greater data.a 1)}}x{{/if}}"), "E0511", "no expression `greater`", "{{#if"),
        (mail("s", "{{log data.a}}"), "E0511", "no expression `log`", "{{log"),
        (mail("s", "{{money data.a}}"), "E0512", "takes 2 value(s), here it has 1", "{{money"),
        (mail("s", "{{plural data.a one=\"x\"}}"), "E0512", "needs other", "{{plural"),
        (mail("s", "{{plural data.a othr=\"x\" other=\"y\"}}"), "E0512", "did you mean `other`?", "{{plural"),
        (mail("s", "{{date data.a \"lnog\"}}"), "E0512", "did you mean \"long\"?", "{{date"),
        (mail("s", "{{#money data.a \"EUR\"}}x{{/money}}"), "E0512", "`money` is written", "{{#money"),
        (
            mail("s", "{{#each data.items}}{{customer.id}}{{/each}}"),
            "E0514",
            "@root.customer.id",
            "{{customer.id}}",
        ),
        (mail("s", "{{{customer.id}}}"), "E0521", "unescaped", "{{{customer.id}}"),
        (mail("s", "{{&customer.id}}"), "E0521", "unescaped", "{{&customer.id}}"),
        (mail("s", "{{> footer}}"), "E0522", "<mj-include", "{{> footer}}"),
        (mail("s", "{{* x}}"), "E0523", "decorators", "{{* x}}"),
        (mail("s", "{{#if customer.id}}x"), "E0510", "", ""),
        (mail("s", "{{#if customer.id}}x{{/each}}"), "E0510", "", ""),
        (mail("s", "{{customer.}}"), "E0510", "", ""),
        (mail("s", &"{{#if customer}}".repeat(5000)), "E0510", "nest deeper", ""),
        (page("s", "<mj-sectoin></mj-sectoin>"), "E0533", "did you mean <mj-section>?", "<mj-sectoin>"),
        (page("s", "{{#each data.items}}<mj-section></mj-section>{{/each}}"), "E0531", "<mj-raw>", "{{#each"),
        (raw("{{customer.id}}"), "E0531", "<mj-raw>", "{{customer.id}}"),
        (raw("<mj-text {{#if customer}}color=\"red\"{{/if}}>x</mj-text>"), "E0531", "within a tag", "{{#if"),
        (
            raw("<mj-image src=\"https://x/y.png\" width=\"{{data.w}}\" />"),
            "E0530",
            "drops `{{data.w}}`",
            "{{data.w}}",
        ),
        (
            raw("<mj-button href=\"{{data.link}}\">x</mj-button>"),
            "E0537",
            "{{url data.link}}",
            "{{data.link}}",
        ),
        (
            mail("s", "<a href=\"https://x/?c={{customer.id}}\">x</a>"),
            "E0537",
            "{{urlencode customer.id}}",
            "{{cus",
        ),
        (raw("<mj-text>x</mj-txt>"), "E0535", "`</mj-txt>` closes nothing", "</mj-txt>"),
        (raw("<mj-text>x"), "E0535", "<mj-text> is not closed", "<mj-text>"),
        (raw("<mj-text title=\"x>x</mj-text>"), "E0535", "not closed", "<mj-"),
        (page("s", &"<div>".repeat(5000)), "E0534", "nest too deep", "<div>"),
        (
            page("s", "<mj-include path=\"foter\" />"),
            "E0504",
            "templates/_partials/foter.mjml",
            "<mj-include",
        ),
        ("<mjml></mjml>".to_owned(), "E0502", "begins with its subject", ""),
        ("---\nsubject: x\n".to_owned(), "E0502", "not closed", ""),
        ("---\nsubjct: x\n---\n<mjml></mjml>".to_owned(), "E0503", "did you mean `subject`?", ""),
        ("---\nsubject: a\ncolour: x\n---\n<mjml></mjml>".to_owned(), "E0503", "colour", "colour"),
        ("---\nsubject: {{customer.id}}\n---\n<mjml></mjml>".to_owned(), "E0503", "quotes", ""),
        ("---\nsubject: ''\n---\n<mjml><mj-body></mj-body></mjml>".to_owned(), "E0502", "empty", "''"),
        ("---\nsubject: x\n---\n".to_owned(), "E0535", "", ""),
    ];
    for (text, code, says, at) in cases {
        let (template, diagnostics) = check(text);
        let shown: String = text.chars().take(300).collect();
        let found = diagnostics.iter().find(|d| d.code == *code);
        let found = found.unwrap_or_else(|| panic!("no {code} in {diagnostics:?} for {shown}"));
        let words = format!("{} / {}", found.message, found.help.as_deref().unwrap_or_default());
        assert!(words.contains(says), "{words:?} lacks {says:?} for {shown}");
        assert!(text[found.span.clone()].starts_with(at), "{:?} for {shown}", &text[found.span.clone()]);
        assert_eq!(template.is_none(), found.severity == Severity::Error, "{shown}");
    }
}

#[test]
fn what_is_right_raises_nothing() {
    for body in [
        "{{! a comment with a ' quote}}x{{!-- {{customre}} --}}",
        "{{#each data.items}}{{this}}{{@index}}{{@root.customer.id}}{{../data.x}}{{/each}}",
        "{{#each data.items as |item i|}}{{item.name}} {{i}}{{else}}rien{{/each}}",
        "{{#with customer}}{{first_name}}{{/with}}",
        "{{#if customer.a}}a{{else if customer.b}}b{{else}}c{{/if}}",
        "{{#unless (eq customer.country 'FR')}}x{{/unless}}",
        "<a href=\"{{unsubscribe_url}}\">x</a>",
        "<a href=\"{{#if data.u}}{{url data.u}}{{else}}https://x{{/if}}\">x</a>",
        "{{plural (len data.items) one=\"un\" other=\"#\"}}",
        "<!-- {{customer.id}} -->",
    ] {
        template(&mail("s", body));
    }
}

#[test]
fn columns_in_a_loop_are_warned_of() {
    let columns = "<mj-section><mj-raw>{{#each data.items}}</mj-raw><mj-column></mj-column><mj-raw>{{/each}}</mj-raw></mj-section>";
    let (template, diagnostics) = check(&page("s", columns));
    assert!(template.is_some());
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0532"]);
}

#[test]
fn strange_files_are_named() {
    let one = mail("s", "x");
    let set = files(&[
        ("templates/t/emial.fr.mjml", &one),
        ("templates/t/email.fr.txt", "x"),
        ("templates/t/notes.txt", "not ours"),
        ("templates/t/sms.fr.txt", "another channel"),
        ("templates/README.md", "not ours"),
    ]);
    let (_, diagnostics) = compile(&set, "fr");
    let found: Vec<_> = diagnostics.iter().map(|d| (d.code, d.path.as_str(), d.severity)).collect();
    assert_eq!(
        found,
        [
            ("E0501", "templates/t/emial.fr.mjml", Severity::Warning),
            ("E0501", "templates/t/email.fr.txt", Severity::Error)
        ]
    );
    let circle = "<mj-include path=\"a\" />";
    let set =
        files(&[("templates/t/email.fr.mjml", &page("s", circle)), ("templates/_partials/a.mjml", circle)]);
    let (_, diagnostics) = compile(&set, "fr");
    assert!(diagnostics.iter().any(|d| d.message.contains("included within itself")), "{diagnostics:?}");
    let many = circle.repeat(30);
    let set =
        files(&[("templates/t/email.fr.mjml", &page("s", circle)), ("templates/_partials/a.mjml", &many)]);
    let (_, diagnostics) = compile(&set, "fr");
    assert!(
        diagnostics.iter().any(|d| d.message.contains("more than 200 includes")),
        "{}",
        diagnostics.len()
    );
}

#[test]
fn a_version_survives_storage() {
    let t = template(&mail(
        "{{customer.id}}",
        "{{#each data.items}}{{name}} {{@root.sender.name}}{{/each}}{{money data.total data.currency}}",
    ));
    assert_eq!(t.variables(), ["customer.id", "data.currency", "data.items", "data.total", "sender.name"]);
    let stored = serde_json::to_string(t.source()).unwrap();
    let again = Template::from_source(serde_json::from_str(&stored).unwrap()).unwrap();
    assert_eq!(again.hash, t.hash);
    assert_eq!(t.hash.len(), 32);
    let context = json!({"customer": {"id": "c"}, "data": {"items": [{"name": "n"}], "total": 1, "currency": "EUR"}, "sender": {"name": "S"}});
    assert_eq!(again.render(context.clone()).unwrap(), t.render(context.clone()).unwrap());
    let moved = template(
        &mail(
            "{{customer.id}}",
            "{{#each data.items}}{{name}} {{@root.sender.name}}{{/each}}{{money data.total data.currency}}",
        )
        .replace("<mjml>", "\n<mjml>"),
    );
    assert_eq!(moved.hash, t.hash, "a line more at the top changes no meaning");
    let other = template(&mail("{{customer.id}}", "autre"));
    assert_ne!(other.hash, t.hash);
    let broken = TemplateSource { html: "{{#if".to_owned(), ..t.source().clone() };
    assert!(Template::from_source(broken).unwrap_err().message.contains("template t (fr), html, line 1"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-02-29")),
        Just(json!("9999-12-31T23:59:59-23:59")),
        Just(json!("0001-01-01T00:00:00+23:59")),
        Just(json!({"percent": i64::MIN})),
        Just(json!({"amount": [i64::MIN, "EUR"]})),
        Just(json!("EUR")),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("(first_name|items|total|code|[a-z]{1,3})", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Reads every root, in every way there is.
fn greedy() -> Arc<Template> {
    let mut body = String::new();
    for root in ROOTS {
        for form in [
            "{{#if R}}{{R}}{{/if}}",
            "{{#each R}}{{#if this}}{{this}}{{/if}}{{@index}}{{/each}}",
            "{{#with R}}{{#if total}}{{total}}{{/if}}{{/with}}",
            "{{default R 'x'}}{{#if (gt R 1)}}{{/if}}{{len R}}{{lookup R 'code'}}",
        ] {
            body.push_str(&form.replace('R', root));
        }
    }
    template(&mail("{{default customer.first_name 'x'}}", &body))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_context_makes_rendering_panic(values in prop::collection::vec(any_json(), ROOTS.len()), alone in any_json()) {
        static GREEDY: std::sync::LazyLock<Arc<Template>> = std::sync::LazyLock::new(greedy);
        let context: Value = ROOTS.iter().map(|r| (*r).to_owned()).zip(values).collect();
        let _ = GREEDY.render(context.clone());
        let _ = GREEDY.render(alone.clone());
    }

    #[test]
    fn no_value_makes_formatting_panic(value in any_json(), locale in "[a-zA-Z_-]{0,12}|.{0,6}|fr|en|ar-u-nu-arab|de-CH", zone in "Europe/Paris|Pacific/Apia|.{0,6}") {
        let locale = format::parse_locale(&locale);
        let _ = (format::number(&value, &locale), format::plural(&value, &locale), format::discount(&value, &locale));
        for currency in ["EUR", "JPY", "xyz", "é"] {
            let _ = format::money(&value, currency, &locale);
        }
        for style in format::DATE_STYLES {
            let _ = format::date(&value, style, &locale, &zone);
        }
    }

    #[test]
    fn no_text_makes_compilation_panic(pieces in prop::collection::vec(prop_oneof![
        Just("{{"), Just("}}"), Just("{{{"), Just("{{#if "), Just("{{/if}}"), Just("{{else}}"), Just("customer.id"),
        Just("<mj-text>"), Just("</mj-text>"), Just("<mj-raw>"), Just("</mj-raw>"), Just("<mj-section"), Just(">"),
        Just("\""), Just("'"), Just("<!--"), Just("-->"), Just("<mj-include path=\"t\" />"), Just("é"), Just("\\"),
        Just("<"), Just("/"), Just("="), Just("(") , Just(")"), Just("~"), Just("!"), Just("\n"), Just(" "),
        Just("---\n"), Just("{{> t}}"), Just("|"), Just("as"), Just("../"), Just("@"), Just("&"), Just("*"),
    ], 0..24)) {
        let text = pieces.concat();
        let set = files(&[
            ("templates/t/email.fr.mjml", &page("s", &text)),
            ("templates/t/email.fr.txt", &text),
            ("templates/u/email.fr.mjml", &text),
            ("templates/v/email.fr.mjml", &mail(&text, &text)),
            ("templates/_partials/t.mjml", &text),
        ]);
        let (templates, diagnostics) = compile(&set, "fr");
        for d in &diagnostics {
            let file = set.iter().find(|f| f.path == d.path).unwrap();
            prop_assert!(file.text.get(d.span.clone()).is_some(), "{d:?}");
        }
        for name in templates.names() {
            let _ = templates.resolve(name, "fr").unwrap().render(json!({"customer": {"id": "c"}}));
        }
    }
}
