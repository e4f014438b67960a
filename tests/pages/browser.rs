//! The pages as people use them: in Chromium, without scripts, by mouse and by keyboard, in light and dark, on a telephone.

use std::time::Duration;

use serde_json::json;

use super::support::browser::Browser;
use super::{ledger, mail, open, path, sign_up};

/// Looks at the page that is open in all the ways in which people do.
fn everybody_can_use(browser: &Browser, name: &str) {
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        for width in [1280, 320] {
            browser.width(width);
            assert_eq!(browser.faults(), Vec::<String>::new(), "{name}, {scheme}, {width} pixels wide");
            let over = browser.run("return document.scrollingElement.scrollWidth - window.innerWidth");
            assert!(over.as_i64().is_some_and(|over| over <= 0), "{name} scrolls sideways by {over}");
            browser.see(&format!("{name}-{scheme}-{width}"));
        }
    }
    let loaded = browser.run("return performance.getEntriesByType('resource').map(e => e.name)");
    assert_eq!(loaded, json!([]), "{name} loads nothing from anywhere");
    assert_eq!(browser.cookies(), json!([]), "{name} leaves nothing behind");
}

#[test]
fn a_customer_confirms_chooses_and_leaves() {
    let shop = open();
    let worker = shop.start();
    sign_up(&shop, "alice", "fr-FR");
    sign_up(&shop, "bob", "en-GB");
    let here = format!("http://127.0.0.1:{}", shop.public);
    let asked = path(&mail(&shop, "alice@", "Un clic pour recevoir notre lettre")["text"], "/c/");

    // Pages run no script of their own: with all scripts forbidden they work.
    let browser = Browser::start(false);
    browser.open(&format!("{here}{asked}"));
    assert_eq!(browser.text("h1"), "Confirmer votre inscription ?");
    assert!(browser.text("main").contains("Notre lettre du jeudi"), "{}", browser.text("main"));
    assert_eq!(ledger(&shop, "alice"), ["email newsletter pending"], "to look changes nothing");
    browser.turn(|page| page.click("button[name=confirm]"));
    assert_eq!(browser.text("h1"), "C’est confirmé");
    assert_eq!(ledger(&shop, "alice")[1], "email newsletter granted");

    // On to all choices, by the link on the page.
    browser.turn(|page| page.click("main a"));
    let (letter, offers) = ("input[name=\"email.newsletter\"]", "input[name=\"email.marketing\"]");
    assert!(browser.is_checked(letter) && !browser.is_checked(offers));
    browser.click(letter);
    browser.click(offers);
    browser.turn(|page| page.click("button[name=save]"));
    assert!(!browser.is_checked(letter) && browser.is_checked(offers), "as it was chosen");
    let after = ledger(&shop, "alice");
    assert!(after.contains(&"email newsletter withdrawn".to_owned()), "{after:?}");
    assert!(after.contains(&"email marketing granted".to_owned()), "{after:?}");

    // Ticked again, by a link that came to her address: there is nothing left to confirm.
    browser.click(letter);
    browser.turn(|page| page.click("button[name=save]"));
    assert!(
        browser.is_checked(letter) && !browser.text("main").contains("attente"),
        "{}",
        browser.text("main")
    );
    assert_eq!(ledger(&shop, "alice").last().map(String::as_str), Some("email newsletter granted"));

    // Nothing any more.
    browser.turn(|page| page.click("button[name=all]"));
    assert!(!browser.is_checked(letter) && !browser.is_checked(offers));
    let last = ledger(&shop, "alice");
    assert!(last.contains(&"email service withdrawn".to_owned()), "{last:?}");

    // In the customer's language, whatever the browser's; Bob leaves by the keyboard.
    let leave = path(&mail(&shop, "bob@", "Welcome")["text"], "/u/");
    browser.open(&format!("{here}{leave}"));
    assert_eq!(browser.text("h1"), "Unsubscribe?");
    browser.turn(|page| page.press("\u{E004}\u{E007}"));
    assert_eq!(browser.text("h1"), "Done");
    assert!(ledger(&shop, "bob").contains(&"email service withdrawn".to_owned()));
    drop(browser);

    let browser = Browser::start(true);
    browser.open("data:text/html,<img src='x'><input>");
    assert!(browser.faults().len() > 2, "who judges does see faults");
    let asked = path(&mail(&shop, "bob@", "One click")["text"], "/c/");
    let centre = path(&mail(&shop, "bob@", "Welcome")["text"], "/p/");
    let mine = path(&mail(&shop, "alice@", "Bienvenue")["text"], "/p/");
    for (name, path) in [
        ("confirmation", asked.as_str()),
        ("preferences-en", &centre),
        ("preferences-fr", &mine),
        ("unsubscribe", &leave),
        ("no-such-link", "/u/nothing"),
    ] {
        browser.open(&format!("{here}{path}"));
        everybody_can_use(&browser, name);
    }
    browser.open(&format!("{here}{asked}"));
    browser.turn(|page| page.click("button[name=confirm]"));
    everybody_can_use(&browser, "confirmed");
    browser.open(&format!("{here}{centre}"));
    browser.turn(|page| page.click("button[name=all]"));
    everybody_can_use(&browser, "nothing-any-more");
    assert!(worker.terminate(Duration::from_secs(25)).success());
}
