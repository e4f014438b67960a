//! SMS templates from the outside: what becomes of a text, what is added to it, and which version is found again.

use declic::active::Checked;
use declic::domain::compose::{Composer, FinishedSms, sms_template_for};
use declic::domain::customer::Profile;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::domain::message::Message;
use declic::domain::sms::laws::STOP_CONFIRMATION;
use declic::domain::sms::{Encoding, Parts, parts};
use declic::domain::templates::{Templates, Version};
use serde_json::{Value, json};

const POLICY: &str = "\
default_locale: fr
default_timezone: Europe/Paris
sender:
  name: Maison Lumen
  email: contact@my-shop.example
  postal_address: 1 rue de la République, 69001 Lyon, France
";

const SMS: &str =
    "sms:\n  sender: Lumen\n  senders: { US: +14155552671, BE: \"8850\" }\n  stop_number: \"36180\"\n";

fn set(files: &[(&str, &str)]) -> Vec<SourceFile> {
    files.iter().map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }).collect()
}

fn compile(files: &[(&str, &str)]) -> Templates {
    let policy = format!("{POLICY}{SMS}");
    let mut all = vec![("rules/policy.yaml", policy.as_str())];
    all.extend(files);
    let all = set(&all);
    let checked = Checked::new(&all);
    assert!(!checked.has_errors(), "{}", render(&checked.diagnostics, &all, false));
    checked.templates
}

fn profile(data: Value) -> Profile {
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "customer.updated", "subject": "c-42",
        "time": "2026-11-22T10:00:00Z", "data": data,
    });
    let event: Event = serde_json::from_value(event).unwrap();
    let mut profile = Profile::default();
    profile.merge(&event);
    profile
}

fn message(purpose: &str, template: &str) -> Message {
    serde_json::from_value(json!({
        "id": "0123456789abcdef0123456789abcdef", "customer_id": "c-42", "rule": "offer", "version": "1",
        "occurrence": "1", "step": "send-offer", "channel": "sms", "purpose": purpose, "template": template,
        "planned_at": "2026-11-22T10:00:00Z", "expires_at": "2026-11-23T10:00:00Z", "state": "pending",
        "reason": null, "detail": null, "promo_code": null, "due_at": "2026-11-22T10:00:00Z", "attempts": 0,
        "template_hash": null, "locale": null, "address": null, "reply": null, "sent_at": null,
        "context": {"event": {"id": "1", "data": {"total": 1234.5, "currency": "EUR", "count": 2}}},
    }))
    .unwrap()
}

/// The finished SMS of a template for a customer.
fn finished(sms: &str, template: &str, purpose: &str, customer: Value) -> Result<FinishedSms, String> {
    let policy = format!("{POLICY}{sms}");
    let files = set(&[("rules/policy.yaml", &policy), ("templates/offer/sms.fr.txt", template)]);
    let checked = Checked::new(&files);
    assert!(!checked.has_errors(), "{}", render(&checked.diagnostics, &files, false));
    let (policy, profile) = (&checked.rules.policy, profile(customer));
    let composer = Composer { policy, public_url: "https://shop.example", secret: b"secret" };
    let chosen = sms_template_for(&checked.templates, "offer", &profile, policy).unwrap();
    let message = message(purpose, "offer");
    let finished = composer.render_sms(&message, &profile, &chosen);
    assert_eq!(finished, composer.render_sms(&message, &profile, &chosen), "twice the same");
    finished.map_err(|e| e.message)
}

#[test]
fn a_text_becomes_what_is_sent() {
    let french = json!({"phone": "0612345678", "country": "FR", "first_name": "Zoë"});
    let cases = [
        // (template, purpose, customer, text, sender, segments)
        (
            "Bonjour {{customer.first_name}} !",
            "marketing",
            french.clone(),
            "Bonjour Zoe !\nSTOP au 36180",
            "Lumen",
            1,
        ),
        ("Bonjour {{customer.first_name}} !", "transactional", french.clone(), "Bonjour Zoe !", "Lumen", 1),
        ("Bonjour !", "service", french.clone(), "Bonjour !\nSTOP au 36180", "Lumen", 1),
        (
            "{{money data.total data.currency}} 🎉",
            "transactional",
            french.clone(),
            "1\u{202f}234,50\u{a0}€ 🎉",
            "Lumen",
            1,
        ),
        ("{{money data.total data.currency}}", "transactional", french.clone(), "1 234,50 €", "Lumen", 1),
        (
            "L'été & <co> : STOP au 36180",
            "marketing",
            french.clone(),
            "L'été & <co> : STOP au 36180",
            "Lumen",
            1,
        ),
        ("Un \r\n\r\ndeux\t!  \r\n\n", "transactional", french.clone(), "Un\n\ndeux !", "Lumen", 1),
        // The customer's country chooses sender and wording; the number tells it where the profile does not.
        (
            "Salut",
            "marketing",
            json!({"phone": "+32470123456"}),
            "Salut\nRépondez STOP pour vous désinscrire",
            "8850",
            1,
        ),
        (
            "Salut",
            "marketing",
            json!({"phone": "+14155552671"}),
            "Salut\nRépondez STOP pour vous désinscrire",
            "+14155552671",
            1,
        ),
        // The networks that carry it are those of the number, wherever the customer lives.
        (
            "Salut",
            "marketing",
            json!({"phone": "+14155552671", "country": "FR"}),
            "Salut\nRépondez STOP pour vous désinscrire",
            "+14155552671",
            1,
        ),
        ("Salut", "marketing", json!({"phone": "+262692123456"}), "Salut\nSTOP au 36180", "Lumen", 1),
    ];
    for (template, purpose, customer, text, sender, segments) in cases {
        let sms = finished(SMS, template, purpose, customer).unwrap_or_else(|e| panic!("{template}: {e}"));
        assert_eq!(
            (sms.text.as_str(), sms.sender.as_deref(), sms.segments),
            (text, Some(sender), segments),
            "{template}"
        );
        assert_eq!(sms.encoding, Encoding::of(&sms.text));
    }
    let long = finished(SMS, &"a".repeat(150), "marketing", french.clone()).unwrap();
    assert_eq!((long.encoding, long.segments), (Encoding::Gsm7, 2), "the wording counts");
    let kept = format!("{SMS}  transliterate: false\n");
    assert_eq!(finished(&kept, "Prêt…", "transactional", french.clone()).unwrap().text, "Prêt…");
    let unsaid = finished("", "Bonjour", "marketing", french.clone()).unwrap();
    assert_eq!((unsaid.sender, unsaid.text.as_str()), (None, "Bonjour\nRépondez STOP pour vous désinscrire"));
}

#[test]
fn what_cannot_be_sent_says_why() {
    let customer = json!({"phone": "+33612345678"});
    let cases = [
        (
            SMS,
            "{{customer.first_name}}",
            "marketing",
            &["offer (fr), sms", "sms.fr.txt:1", "`customer.first_name` has no value"][..],
        ),
        (SMS, "{{#if customer.first_name}}x{{/if}}", "transactional", &["the text is empty"]),
        ("sms: { sender: Lumen }\n", "Bonjour", "marketing", &["`sms.stop_number`"]),
    ];
    for (sms, template, purpose, wanted) in cases {
        let error = finished(sms, template, purpose, customer.clone()).unwrap_err();
        for want in wanted {
            assert!(error.contains(want), "{error:?} lacks {want:?}");
        }
    }
    let no_names = "sms: { sender: Lumen, stop_number: \"36180\" }\n";
    for american in [json!({"phone": "+14155552671"}), json!({"phone": "+14155552671", "country": "FR"})] {
        let error = finished(no_names, "Bonjour", "transactional", american).unwrap_err();
        assert!(
            error.contains("networks in US accept no names") && error.contains("`sms.senders`"),
            "{error}"
        );
    }
    let endless = finished(SMS, &"a".repeat(40_000), "transactional", customer).unwrap_err();
    assert!(endless.contains("262 segments"), "{endless}");
}

#[test]
fn locales_parts_and_versions() {
    let templates = compile(&[
        ("templates/offer/sms.fr.txt", "Offre {{> signe}}\n"),
        ("templates/offer/sms.en.txt", "Offer {{> signe}}\n"),
        ("templates/_partials/signe.fr.txt", "de {{sender.name}}\n"),
        ("templates/_partials/signe.txt", "by {{sender.name}}\n"),
        (
            "templates/mail/email.fr.mjml",
            "---\nsubject: s\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section></mj-body></mjml>\n",
        ),
    ]);
    let text = |locale: &str| {
        let context = json!({"sender": {"name": "Lumen"}, "locale": locale, "customer": {"id": "c"}});
        templates.resolve_sms("offer", locale).unwrap().render(context.clone()).unwrap()
    };
    let cases = [
        ("fr-CA", "Offre de Lumen"),
        ("en_GB", "Offer by Lumen"),
        ("de", "Offre de Lumen"),
        ("", "Offre de Lumen"),
    ];
    for (locale, expected) in cases {
        assert_eq!(text(locale), expected, "{locale}");
    }
    assert!(templates.contains_sms("offer") && !templates.contains("offer"));
    assert!(templates.contains("mail") && !templates.contains_sms("mail"));
    // All versions are stored, and found again by what is stored.
    assert_eq!(templates.all_sms().count(), 4, "two texts, the built-in in two languages");
    for template in templates.all_sms() {
        let stored = serde_json::to_value(template.source()).unwrap();
        let Some(Version::Sms(again)) = Version::from_stored(&stored) else { panic!("{stored}") };
        assert_eq!(again.hash, template.hash);
        assert!(matches!(templates.version(&again.hash), Some(Version::Sms(_))));
    }
    // What earlier workers stored is a mail.
    let earlier = json!({"name": "a", "locale": "fr", "subject": "s", "preheader": null, "html": "<p>x</p>", "text": null});
    assert!(matches!(Version::from_stored(&earlier), Some(Version::Email(_))));
    assert!(Version::from_stored(&json!({"name": "a"})).is_none());
}

#[test]
fn the_confirmation_of_a_stop_is_built_in_and_can_be_replaced() {
    let context = json!({"sender": {"name": "Lumen"}, "locale": "fr", "customer": {"id": "c"}});
    let shown = |templates: &Templates, locale: &str| {
        templates.resolve_sms(STOP_CONFIRMATION, locale).unwrap().render(context.clone()).unwrap()
    };
    let built_in = compile(&[]);
    assert!(built_in.contains_sms(STOP_CONFIRMATION));
    assert!(shown(&built_in, "en").contains("Lumen: you are unsubscribed"));
    assert!(shown(&built_in, "de").contains("Lumen : c'est"), "the default locale's");
    let own = compile(&[("templates/stop-confirmation/sms.fr.txt", "Au revoir")]);
    assert_eq!(shown(&own, "en"), "Au revoir");
    assert_eq!(own.all_sms().count(), 1);
}

#[test]
fn parts_of_a_finished_text_are_its_segments() {
    let sms =
        finished(SMS, &"Soldes à l'atelier. ".repeat(20), "marketing", json!({"phone": "+33612345678"}))
            .unwrap();
    let Parts { encoding, parts } = parts(&sms.text);
    assert_eq!((encoding, parts.len()), (sms.encoding, sms.segments as usize));
    assert!(parts.last().unwrap().ends_with("STOP au 36180"));
}
