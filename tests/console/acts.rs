//! What is done from the console is done as by the command line, and written down with the name of who did it.

use std::time::Duration;

use super::pages::{enter, wait_for_words};
use super::support::browser::Browser;
use super::support::{run, wait_until};
use super::{SHORT, busy_shop, message_of, orders, signs_up};

#[test]
fn an_operator_pauses_cancels_retries_and_sets_right() {
    let (shop, _worker) = busy_shop();
    let browser = Browser::start(true);
    let here = enter(&browser, &shop, "Zoé");

    // A rule is paused with a reason; its messages wait; one of them is never sent.
    browser.open(&format!("{here}/rules/thanks"));
    browser.click(".switch summary");
    browser.write(".switch input[name=why]", "wrong code");
    browser.turn(|page| page.click(".switch button"));
    assert!(browser.text(".said").contains("Paused"), "{}", browser.text("main"));
    shop.publish(&[orders("alice", "o-1"), orders("bob", "o-2")]);
    shop.wait_for(SHORT, |messages| messages.iter().filter(|m| m["state"] == "paused").count() == 2);
    browser.open(&format!("{here}/messages?state=paused&customer=alice"));
    browser.turn(|page| page.click("tbody a"));
    browser.turn(|page| page.click(".actions button.danger"));
    assert!(browser.text(".said").contains("will not be sent"), "{}", browser.text("main"));
    assert!(browser.text("main").contains("an operator has cancelled it"), "{}", browser.text("main"));
    browser.open(&format!("{here}/"));
    assert!(browser.text(".matters").contains("wrong code"), "{}", browser.text("main"));
    browser.turn(|page| page.click(".matters button"));
    shop.wait_for(SHORT, |messages| {
        messages.iter().any(|m| m["customer"] == "bob" && m["rule"] == "thanks" && m["state"] == "sent")
    });

    // What was cancelled is sent after all.
    browser.open(&format!("{here}/messages?customer=alice&reason=cancelled"));
    browser.turn(|page| page.click("tbody a"));
    browser.turn(|page| page.click(".actions button"));
    assert!(browser.text(".said").contains("waits to be sent again"), "{}", browser.text("main"));
    wait_for_words(&browser, "#message", "sent");
    let of_alice =
        shop.messages().into_iter().filter(|m| m["customer"] == "alice" && m["state"] == "sent").count();
    assert_eq!(of_alice, 2);

    // What cannot be used is refused again and kept, until it is thrown away.
    browser.open(&format!("{here}/dead-letters"));
    browser.turn(|page| page.click("tbody a"));
    browser.turn(|page| page.click(".actions form.inline button"));
    assert!(browser.text(".said").contains("Refused again"), "{}", browser.text("main"));
    browser.click(".switch summary");
    browser.turn(|page| page.click(".switch button"));
    assert!(browser.text(".said").contains("Discarded"), "{}", browser.text("main"));

    // The kill switch, and back.
    browser.open(&format!("{here}/"));
    browser.click(".switch summary");
    browser.turn(|page| page.click(".switch button"));
    assert!(browser.text(".said").contains("everything"), "{}", browser.text("main"));
    shop.publish(&[signs_up("erin", "granted")]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(message_of(&shop, "erin")["state"], "pending");
    browser.turn(|page| page.click(".matters button"));
    assert!(wait_until(SHORT, || message_of(&shop, "erin")["state"] == "sent"));

    // All of it is in the log, on the page as on the command line.
    browser.open(&format!("{here}/audit"));
    let page = browser.text("main");
    let log = run(shop.declic().args(["audit", "--format", "json"]));
    for act in [
        "pause",
        "resume",
        "messages cancel",
        "messages retry",
        "dead-letters replay",
        "dead-letters discard",
    ] {
        assert!(page.contains(act) && log.contains(act), "{act}: {page}");
    }
    assert!(page.contains("Zoé") && page.contains("wrong code"), "{page}");
    browser.turn(|page| page.click("footer button"));
    browser.open(&format!("{here}/audit"));
    assert!(!browser.text("body").contains("Zoé"), "who has left is out");
}
