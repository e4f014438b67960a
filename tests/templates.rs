//! The shipped templates: each locale renders with everything there is to say, and with the least.

use declic::domain::diagnostic::SourceFile;
use declic::domain::templates::{Rendered, Templates, compile};
use serde_json::{Value, json};

const NAMES: [&str; 7] = [
    "abandoned-cart",
    "abandoned-cart-offer",
    "birthday",
    "confirm-newsletter",
    "confirm-newsletter-reminder",
    "order-shipped",
    "welcome",
];

fn shipped() -> Templates {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join("templates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push(SourceFile { path: name, text: std::fs::read_to_string(&path).unwrap() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let (templates, diagnostics) = compile(&files, "fr");
    assert_eq!(diagnostics, [], "shipped templates are without fault");
    templates
}

fn full(locale: &str) -> Value {
    json!({
        "customer": {"id": "c-42", "email": "alice@example.com", "first_name": "Alice", "locale": locale},
        "event": {"id": "e-1", "type": "cart.updated", "time": "2026-11-22T09:00:00Z", "data": {}},
        "data": {
            "order_id": "2026-118", "carrier": "Colissimo", "tracking_url": "https://carrier.example/track?n=6A1&l=fr",
            "cart_id": "k-7", "currency": "EUR", "total": 1289.4, "cart_url": "https://shop.example/cart/k-7",
            "items": [
                {"name": "Théière en grès", "quantity": 1, "price": 1249.9, "url": "https://shop.example/p/1", "image_url": "https://shop.example/p/1.png"},
                {"name": "Thé vert <bio> & menthe", "quantity": 2, "price": "19.75"},
            ],
        },
        "promo_code": {"code": "CART-7KQ2-M9XD-4", "discount": {"percent": 1500}, "valid_until": "2026-12-22T22:59:59Z"},
        "sender": {"name": "Maison Lumen", "email": "bonjour@lumen.example", "website": "https://lumen.example/",
                   "postal_address": "12 rue des Lilas, 69003 Lyon, France", "reply_to": "bonjour@lumen.example"},
        "unsubscribe_url": "https://lumen.example/u/abc?x=1&y=2", "preferences_url": "https://lumen.example/p/abc", "confirm_url": "https://lumen.example/c/abc",
        "locale": locale, "timezone": "Europe/Paris", "now": "2026-11-22T10:00:00Z", "message_id": "m-1",
    })
}

/// No first name, no website, no address, nothing to unsubscribe from, a cart of one nameless price.
fn minimal(locale: &str) -> Value {
    json!({
        "customer": {"id": "c-43"},
        "event": {"id": "e-2", "type": "cart.updated", "time": "2026-11-22T09:00:00Z", "data": {}},
        "data": {"currency": "EUR", "total": 5, "items": [{"name": "Carnet", "quantity": 1, "price": 5}]},
        "promo_code": {"code": "BDAY-0000-0000-0", "discount": {"amount": [500, "EUR"]}, "valid_until": "2026-12-22T22:59:59Z"},
        "sender": {"name": "Maison Lumen", "email": "bonjour@lumen.example"},
        "locale": locale, "timezone": "Europe/Paris", "now": "2026-11-22T10:00:00Z", "message_id": "m-2",
        "confirm_url": "https://lumen.example/c/abc",
    })
}

fn render(templates: &Templates, name: &str, locale: &str, context: &Value) -> Rendered {
    let template = templates.resolve(name, locale).unwrap();
    assert_eq!(template.locale, locale);
    let rendered = template.render(context.clone()).unwrap_or_else(|e| panic!("{e}"));
    for part in [&rendered.subject, &rendered.html, &rendered.text] {
        assert!(
            !part.contains("{{") && !part.contains("}}"),
            "an expression is left in {name} ({locale}): {part}"
        );
    }
    assert!(!rendered.html.contains("<bio>"), "markup from data is escaped in {name} ({locale})");
    rendered
}

#[test]
fn everything_shipped_is_rendered_and_read_by_a_human() {
    let templates = shipped();
    assert_eq!(templates.names().collect::<Vec<_>>(), NAMES);
    for name in NAMES {
        for locale in ["fr", "en"] {
            for (sample, context) in [("full", full(locale)), ("minimal", minimal(locale))] {
                let mail = render(&templates, name, locale, &context);
                insta::assert_snapshot!(
                    format!("{name}.{locale}.{sample}"),
                    format!("Subject: {}\n\n{}", mail.subject, mail.text)
                );
            }
        }
    }
}

#[test]
fn a_birthday_without_a_code_is_still_a_birthday() {
    let templates = shipped();
    for locale in ["fr", "en"] {
        let mut context = full(locale);
        context.as_object_mut().unwrap().remove("promo_code");
        let mail = render(&templates, "birthday", locale, &context);
        assert!(!mail.html.contains("coupon\""), "{}", mail.html);
    }
}

#[test]
fn the_unsubscribe_link_and_the_address_stand_in_every_mail_that_has_them() {
    let templates = shipped();
    for name in NAMES {
        for locale in ["fr", "en"] {
            let mail = render(&templates, name, locale, &full(locale));
            assert!(
                mail.html.contains("href=\"https://lumen.example/u/abc?x&#x3D;1&amp;y&#x3D;2\""),
                "{name}"
            );
            assert!(mail.text.contains("https://lumen.example/u/abc?x=1&y=2"), "{name}");
            assert!(
                mail.html.contains("12 rue des Lilas") && mail.text.contains("12 rue des Lilas"),
                "{name}"
            );
            assert!(mail.html.contains("prefers-color-scheme: dark"), "{name}: dark mode survives inlining");
            assert!(mail.html.contains(&format!("<html lang=\"{locale}\" dir=\"ltr\"")), "{name}");
            assert!(mail.html.len() < 80_000, "{name}: Gmail clips mails beyond 102 KB");
        }
    }
}
