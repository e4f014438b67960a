//! A real browser, headless Chromium, steered through its own driver (W3C WebDriver).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::kept::{Kept, Plan};
use super::{Folder, free_port, needed, npm, wait_until};

/// What an element is called in WebDriver's JSON (§11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window of a browser. Gone with its driver when dropped.
pub struct Browser {
    port: u16,
    session: String,
    _driver: Kept,
    _folder: Folder,
}

impl Browser {
    /// With a profile of its own. `scripts` is whether pages may run any.
    pub fn start(scripts: bool) -> Self {
        let (port, folder) = (free_port(), Folder::new("browser"));
        let command = [needed("/usr/bin/chromedriver").into_os_string(), format!("--port={port}").into()];
        let driver = Kept::start(&Plan {
            command: &command.each_ref().map(|part| part.as_os_str()),
            env: &[("HOME", folder.path().display().to_string())],
            user: None,
            stop: "TERM",
            folder: folder.path(),
        });
        let ready = || exchange(port, "GET", "/status", "").is_some();
        assert!(wait_until(Duration::from_secs(60), ready), "the browser's driver does not answer");
        let data = format!("--user-data-dir={}", folder.join("profile").display());
        // Offline but for this machine, and nothing that a browser does of its own accord.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--lang=en-GB",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            &data,
        ];
        let javascript = if scripts { 1 } else { 2 };
        let capabilities = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {
            "binary": needed("/usr/bin/chromium"), "args": arguments,
            "prefs": {"profile.managed_default_content_settings.javascript": javascript},
        }}}});
        let mut browser = Self { port, session: String::new(), _driver: driver, _folder: folder };
        let session = browser.send("POST", "/session", &capabilities);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        // A page may still be on its way when it is asked for an element.
        browser.command("POST", "/timeouts", &json!({"implicit": 10_000}));
        browser
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        self.answer(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// What the driver answers, or the error that it names.
    fn answer(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let body = exchange(self.port, method, path, &body);
        let body = body.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        let answer: Value =
            serde_json::from_str(&body).unwrap_or_else(|e| panic!("{method} {path}: {e}: {body}"));
        if answer["value"]["error"].is_null() {
            Ok(answer["value"].clone())
        } else {
            Err(answer["value"].clone())
        }
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    pub fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({"url": url}));
    }

    fn find(&self, css: &str) -> String {
        let found = self.command("POST", "/element", &json!({"using": "css selector", "value": css}));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    pub fn click(&self, css: &str) {
        self.of(css, "POST", "click");
    }

    /// What the driver answers of an element, also where a page that keeps itself up to date has just put another in its
    /// place.
    fn of(&self, css: &str, method: &str, what: &str) -> Value {
        let mut answer = None;
        let answered = || {
            let path = format!("/session/{}/element/{}/{what}", self.session, self.find(css));
            match self.answer(method, &path, &json!({})) {
                Err(error) if error["error"] == "stale element reference" => {}
                Err(error) => panic!("{css}: {error}"),
                Ok(value) => answer = Some(value),
            }
            answer.is_some()
        };
        assert!(wait_until(Duration::from_secs(10), answered), "{css} never stands still");
        answer.unwrap_or_default()
    }

    /// Writes into a field what it is to hold.
    pub fn write(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.command("POST", &format!("/element/{element}/clear"), &json!({}));
        self.command("POST", &format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Does what leads to another page, and waits until that is there: the old one's root is known no more.
    pub fn turn(&self, act: impl FnOnce(&Self)) {
        let old = self.find("html");
        act(self);
        let path = format!("/session/{}/element/{old}/name", self.session);
        let gone = || self.answer("GET", &path, &Value::Null).is_err();
        assert!(wait_until(Duration::from_secs(20), gone), "the page stays as it was");
    }

    /// Presses keys where the focus is: `\u{E004}` is the tabulator, `\u{E007}` Enter (WebDriver §17.4.2).
    pub fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})))
            .collect();
        self.command(
            "POST",
            "/actions",
            &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}),
        );
    }

    /// The words of an element, as its reader sees them.
    pub fn text(&self, css: &str) -> String {
        self.of(css, "GET", "text").as_str().expect("a text").to_owned()
    }

    pub fn is_checked(&self, css: &str) -> bool {
        let element = self.find(css);
        self.command("GET", &format!("/element/{element}/selected"), &Value::Null) == true
    }

    pub fn cookies(&self) -> Value {
        self.command("GET", "/cookie", &Value::Null)
    }

    /// Runs a script in the page, whatever the page itself may run.
    pub fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// What the DevTools protocol calls `method`.
    fn devtools(&self, method: &str, parameters: &Value) {
        self.command("POST", "/goog/cdp/execute", &json!({"cmd": method, "params": parameters}));
    }

    /// As somebody sees it who has set their device to dark or to light.
    pub fn scheme(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// In a window of this width, in CSS pixels.
    pub fn width(&self, width: u32) {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What axe finds wrong with the page, by WCAG 2.2 up to level AA and its own good practice, as words.
    pub fn faults(&self) -> Vec<String> {
        self.axe(&["violations", "incomplete"])
    }

    /// The same without what axe cannot tell: the contrast of what is written in a drawing or stands outside of a box that
    /// scrolls.
    pub fn violations(&self) -> Vec<String> {
        self.axe(&["violations"])
    }

    fn axe(&self, kinds: &[&str]) -> Vec<String> {
        let axe = npm::packages("tests/pages").join("axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe");
        self.run(&axe);
        let found = self.command(
            "POST",
            "/execute/async",
            &json!({"script": "axe.run().then(r => arguments[0]({violations: r.violations, incomplete: r.incomplete}))", "args": []}),
        );
        let words =
            |fault: &Value| format!("{}: {} {}", fault["id"], fault["help"], fault["nodes"][0]["html"]);
        let of_kind = |kind: &&str| found[*kind].as_array().expect("a list").clone();
        kinds.iter().flat_map(of_kind).map(|fault| words(&fault)).collect()
    }

    /// Keeps a picture of the page for people, where `PAGES_SEEN` names a folder.
    pub fn see(&self, name: &str) {
        use base64::Engine as _;
        let Some(folder) = std::env::var_os("PAGES_SEEN") else { return };
        let picture = self.command("GET", "/screenshot", &Value::Null);
        let picture = base64::engine::general_purpose::STANDARD.decode(picture.as_str().expect("base 64"));
        let path = std::path::Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(path, picture.expect("base 64")).expect("the picture is kept");
    }
}

/// One request to the driver, which knows HTTP/1.1 only and leaves the connection open; the body of its answer.
fn exchange(port: u16, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?
            }
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser before it is ended itself.
        if !self.session.is_empty() {
            exchange(self.port, "DELETE", &format!("/session/{}", self.session), "");
        }
    }
}
