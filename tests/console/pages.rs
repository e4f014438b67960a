//! The pages in a real browser: what an operator asks, in two languages, in light and dark, on a telephone.

use serde_json::Value;

use super::support::browser::Browser;
use super::support::shop::Shop;
use super::{SHORT, TOKEN, busy_shop, message_of, signs_up};

/// Comes in as somebody of this name.
pub fn enter(browser: &Browser, shop: &Shop, name: &str) -> String {
    let here = format!("http://127.0.0.1:{}", shop.admin);
    browser.open(&format!("{here}/"));
    browser.write("input[name=name]", name);
    browser.write("input[name=token]", TOKEN);
    browser.turn(|page| page.click("main button"));
    here
}

/// Waits until the page that is open says something, without being loaded again.
pub fn wait_for_words(browser: &Browser, css: &str, words: &str) {
    let came = super::support::wait_until(SHORT, || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        browser.text(css).contains(words)
    });
    assert!(came, "no `{words}` in {}", browser.text(css));
}

/// Looks at the page that is open in all the ways in which people do.
fn everybody_can_use(browser: &Browser, here: &str, name: &str) {
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        for width in [1280, 360] {
            browser.width(width);
            assert_eq!(browser.violations(), Vec::<String>::new(), "{name}, {scheme}, {width} pixels wide");
            let over = browser.run("return document.scrollingElement.scrollWidth - window.innerWidth");
            assert!(over.as_i64().is_some_and(|over| over <= 0), "{name} scrolls sideways by {over}");
            browser.see(&format!("console-{name}-{scheme}-{width}"));
        }
    }
    browser.width(1280);
    let loaded = browser.run("return performance.getEntriesByType('resource').map(e => e.name)");
    let elsewhere: Vec<&Value> = loaded
        .as_array()
        .expect("a list")
        .iter()
        .filter(|url| !url.as_str().is_some_and(|url| url.starts_with(here)))
        .collect();
    assert!(elsewhere.is_empty(), "{name} loads {elsewhere:?}");
}

#[test]
fn every_page_is_for_everybody() {
    let (shop, _worker) = busy_shop();
    let browser = Browser::start(true);
    browser.open(&format!("http://127.0.0.1:{}/", shop.admin));
    everybody_can_use(&browser, &format!("http://127.0.0.1:{}", shop.admin), "enter");
    let here = enter(&browser, &shop, "Zoé");
    let letter = super::support::run(shop.declic().args(["dead-letters", "list", "--format", "ndjson"]));
    let letter: Value = serde_json::from_str(letter.lines().next().expect("a letter")).expect("JSON");
    let message = message_of(&shop, "alice");
    let (letter, message) = (letter["id"].as_str().expect("an id"), message["id"].as_str().expect("an id"));
    super::support::run(shop.declic().args(["pause", "--rule", "thanks", "--why", "a trial"]));
    for (name, path) in [
        ("overview", "/".to_owned()),
        ("when", "/when?from=2026-11-23T10:00:00Z&until=2026-11-23T10:30:00Z".to_owned()),
        ("rules", "/rules".to_owned()),
        ("rule", "/rules/welcome".to_owned()),
        ("messages", "/messages".to_owned()),
        ("message", format!("/messages/{message}")),
        ("customers", "/customers".to_owned()),
        ("customer", "/customers/alice".to_owned()),
        ("dead-letters", "/dead-letters".to_owned()),
        ("dead-letter", format!("/dead-letters/{letter}")),
        ("providers", "/providers".to_owned()),
        ("audit", "/audit".to_owned()),
        ("missing", "/messages/nothing".to_owned()),
    ] {
        browser.open(&format!("{here}{path}"));
        assert_eq!(browser.run("return document.documentElement.lang"), "en", "{name}");
        everybody_can_use(&browser, &here, name);
    }
    // In French from any page on, which is come back to.
    browser.open(&format!("{here}/rules"));
    browser.turn(|page| page.click("footer a[lang=fr]"));
    assert_eq!(browser.text("h1"), "Règles");
    browser.open(&format!("{here}/customers/carol"));
    let story = browser.text("main");
    assert!(
        story.contains("refusé") && story.contains("le client a retiré ou refusé son consentement"),
        "{story}"
    );
}

#[test]
fn the_operator_s_questions_are_answered() {
    let (shop, _worker) = busy_shop();
    let browser = Browser::start(true);
    let here = enter(&browser, &shop, "Zoé");
    let message = message_of(&shop, "alice");
    let code = message["promo_code"].as_str().expect("a code");

    // Did Alice get her code? By whatever is known of her.
    let id = message["id"].as_str().expect("an id");
    for known in ["alice", "alice@example.com", "ALICE@example.com ", code] {
        browser.open(&format!("{here}/customers"));
        browser.write("input[name=q]", known);
        browser.turn(|page| page.click("main form button"));
        let page = browser.text("main");
        assert!(
            page.contains("alice@example.com") && page.contains(code) && page.contains("sent"),
            "{known}: {page}"
        );
    }
    // A number is three customers'.
    browser.open(&format!("{here}/customers"));
    browser.write("input[name=q]", "06 12 34 56 78");
    browser.turn(|page| page.click("main form button"));
    let page = browser.text("main");
    assert!(["alice", "bob", "carol"].iter().all(|name| page.contains(name)), "{page}");
    // The mail itself, as she has it.
    browser.open(&format!("{here}/messages/{id}"));
    let page = browser.text("main");
    assert!(page.contains("Bonjour alice") && page.contains("250"), "{page}");
    let mail = browser.run("return fetch(document.querySelector('iframe').src).then(r => r.text())");
    assert!(mail.as_str().is_some_and(|mail| mail.contains(code)), "{mail}");

    // Why did Carol get none?
    browser.open(&format!("{here}/messages?state=suppressed"));
    let page = browser.text("main table");
    assert!(page.contains("carol") && page.contains("withdrawn or denied consent"), "{page}");
    browser.open(&format!("{here}/rules/welcome"));
    wait_for_words(&browser, "main", "the customer has withdrawn or denied consent");
    let page = browser.text("main");
    assert!(page.contains("What welcome is for") && page.contains("in force"), "{page}");

    // What is stuck? What stands still says so, without the page being loaded again.
    browser.open(&format!("{here}/"));
    assert!(browser.text("main").contains("1 dead letter"), "{}", browser.text("main"));
    super::support::run(shop.declic().args(["pause", "--channel", "email", "--why", "the provider asked"]));
    wait_for_words(&browser, "main", "the provider asked");
    shop.publish(&[signs_up("dora", "granted")]);
    wait_for_words(&browser, "main", "1\nTo be sent");

    // Why did sends drop? What was done stands in the time in which it was done.
    browser.open(&format!("{here}/when?from=2026-11-23T10:00:00Z&until=2026-11-23T11:00:00Z"));
    let page = browser.text("main");
    assert!(page.contains("pause channel:email") && page.contains("rules published"), "{page}");
    assert!(page.contains("worker started") && page.contains("Sent, by rule"), "{page}");
}
