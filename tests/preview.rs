//! `declic preview`: what is shipped is shown with its sample; the page follows saves, through mistakes too, and lets
//! nothing of a sample or a mail out of its frame.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A copy of the shipped rules and templates, gone with the test. Its clock stands in November.
struct Shop(PathBuf);

impl Shop {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("declic-preview-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        for folder in ["rules", "templates"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            assert!(Command::new("cp").arg("-r").arg(from).arg(&path).status().unwrap().success());
        }
        let shop = Self(path);
        shop.write("declic.toml", "[clock]\nstart = 2026-11-22T10:00:00Z\n");
        shop
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command.current_dir(&self.0).arg("preview").args(arguments.split(' ')).env_clear();
        command
    }

    /// Exit code, standard output, standard error.
    fn preview(&self, arguments: &str) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn json(&self, arguments: &str) -> Vec<Value> {
        let (code, shown, words) = self.preview(&format!("{arguments} --format json"));
        assert_eq!(code, 0, "{words}");
        serde_json::from_str(&shown).unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_shipped_template_is_shown_with_its_sample() {
    let shop = Shop::new("shipped");
    let mut all = String::new();
    let names = [
        "abandoned-cart",
        "abandoned-cart-offer",
        "birthday",
        "confirm-newsletter",
        "confirm-newsletter-reminder",
        "order-shipped",
        "welcome",
    ];
    for name in names {
        assert!(shop.0.join(format!("templates/{name}/sample.yaml")).is_file(), "{name} has no sample");
        let (code, shown, words) = shop.preview(name);
        assert_eq!((code, words.as_str()), (0, ""), "{name}");
        all += &shown;
    }
    // The sealed links are the tokens' own business.
    let sealed = |line: &str| ["/u/", "/p/", "/c/"].iter().filter_map(|kind| line.find(kind)).min();
    let lines = all.lines().map(|line| sealed(line).map_or(line, |at| &line[..at]));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_not_there_is_said_with_what_is_near() {
    let shop = Shop::new("near");
    let (code, said, words) = shop.preview("wellcome");
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(words.contains("did you mean `welcome`?"), "{words}");
    let (code, _, words) = shop.preview("welcome --locale de");
    assert!(code == 1 && words.contains("it has fr, en"), "{words}");
    let (code, _, words) = shop.preview("welcome --customer nobody.json");
    assert!(code == 1 && words.contains("nobody.json: cannot be read"), "{words}");
    let (code, _, words) = shop.preview("welcome --customer c-404");
    assert!(code == 1 && words.contains("no customer of this id"), "{words}");
}

#[test]
fn a_customer_takes_the_place_of_the_samples() {
    let shop = Shop::new("customer");
    shop.write("zoe.json", r#"{"first_name": "Zoé", "locale": "fr-CA", "phone": "+15145550123"}"#);
    let mails = shop.json("welcome --customer zoe.json");
    let subjects: Vec<&str> = mails.iter().map(|mail| mail["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["Bienvenue chez Maison Lumen, Zoé", "Welcome to Maison Lumen, Zoé"]);
    assert!(mails.iter().all(|mail| mail["purpose"] == "service" && mail["rule"] == "welcome"));
    // Amounts are written the customer's way in the customer's language.
    let carts = shop.json("abandoned-cart --customer zoe.json");
    assert!(
        carts[0]["text"].as_str().unwrap().contains('€')
            && carts[1]["text"].as_str().unwrap().contains("€1,289.40")
    );
    let rows = shop.json("order-shipped");
    assert_eq!(rows.iter().filter(|row| row["channel"] == "sms" && row["segments"] == 1).count(), 2);
}

#[test]
fn a_value_that_is_missing_is_the_readers_loss_and_the_authors_finding() {
    let shop = Shop::new("missing");
    shop.write("templates/abandoned-cart/sample.yaml", "data: { cart_id: k-7 }\n");
    let (code, _, words) = shop.preview("abandoned-cart");
    assert!(code == 1 && words.contains("`data.") && words.contains("has no value"), "{words}");
    shop.write("templates/abandoned-cart/sample.yaml", "dat: { cart_id: k-7 }\n");
    let (_, _, words) = shop.preview("abandoned-cart");
    assert!(words.contains("E0506") && words.contains("did you mean `data`?"), "{words}");
    // A template that no rule sends is shown with a promo code of ours.
    shop.write("templates/new/sms.fr.txt", "Code {{promo_code.code}} : {{discount promo_code.discount}}");
    let rows = shop.json("new");
    assert!(rows[0]["text"].as_str().unwrap().starts_with("Code CODE-"), "{rows:?}");
    assert_eq!((&rows[0]["rule"], &rows[0]["purpose"]), (&Value::Null, &"marketing".into()));
}

#[test]
fn files_are_written_where_asked() {
    let shop = Shop::new("out");
    let (code, _, words) = shop.preview("order-shipped --out seen");
    assert_eq!(code, 0, "{words}");
    for locale in ["fr", "en"] {
        assert!(shop.read(&format!("seen/order-shipped.{locale}.html")).contains("</html>"));
        assert!(shop.read(&format!("seen/order-shipped.{locale}.txt")).contains("2026-118"));
        assert!(shop.read(&format!("seen/order-shipped.{locale}.sms.txt")).contains("Colissimo"));
    }
}

/// A page that is being served, until the test ends.
struct Opened {
    child: Child,
    address: String,
}

impl Opened {
    fn new(shop: &Shop, arguments: &str) -> Self {
        let mut child = shop.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("{line}"));
        let address = address.split(' ').next().unwrap().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        Self { child, address }
    }

    fn request(&self, path: &str, host: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        stream
    }

    /// Head and body.
    fn get(&self, path: &str) -> (String, String) {
        let mut answer = String::new();
        self.request(path, &self.address).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    /// Waits until the page says that the files have changed since it was loaded.
    fn wait_for_change(&self, page: &str) {
        let version = page.split("data-version=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut lines =
            BufReader::new(self.request(&format!("/changes?since={version}"), &self.address)).lines();
        let begun = Instant::now();
        assert!(lines.any(|line| line.unwrap().contains("data: changed")));
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_follows_saves_through_a_mistake() {
    let shop = Shop::new("saves");
    let opened = Opened::new(&shop, "birthday --open");
    let (head, whole) = opened.get("/?locale=fr");
    assert!(head.starts_with("http/1.1 200") && head.contains("default-src 'none'"), "{head}");
    for words in
        ["Joyeux anniversaire, Alice", "src=\"/frame/fr/dark\"", "1 segment", "STOP au 36180", "?locale=en"]
    {
        assert!(whole.contains(words), "{words} is missing in\n{whole}");
    }
    assert!(!whole.contains("class=\"findings\""), "{whole}");

    let right = shop.read("templates/birthday/email.fr.mjml");
    shop.write(
        "templates/birthday/email.fr.mjml",
        &right.replacen("{{#if promo_code}}", "{{#if promo_cod}}", 1),
    );
    opened.wait_for_change(&whole);
    let (_, broken) = opened.get("/?locale=fr");
    assert!(broken.contains("class=\"findings\"") && broken.contains("promo_cod"), "{broken}");
    assert!(opened.get("/frame/fr/light").0.starts_with("http/1.1 404"));

    shop.write("templates/birthday/email.fr.mjml", &right.replace("Joyeux", "Très joyeux"));
    opened.wait_for_change(&broken);
    let (_, mended) = opened.get("/?locale=fr");
    assert!(mended.contains("Très joyeux") && !mended.contains("class=\"findings\""), "{mended}");
}

#[test]
fn a_frame_is_light_or_dark_whatever_the_screen_and_reaches_nobody() {
    let shop = Shop::new("frames");
    let opened = Opened::new(&shop, "welcome --open");
    let (head, light) = opened.get("/frame/fr/light");
    let (_, dark) = opened.get("/frame/fr/dark");
    for policy in ["sandbox", "default-src 'none'", "img-src data:;", "frame-ancestors 'self'"] {
        assert!(head.contains(policy), "{head}");
    }
    assert!(!light.contains("prefers-color-scheme") && !dark.contains("prefers-color-scheme"));
    assert!(light.contains("(max-width: 0)") && light.contains("color-scheme: light !important"));
    assert!(dark.contains("(min-width: 0)") && dark.contains("color-scheme: dark !important"));
    let mut answer = String::new();
    opened.request("/", "evil.example").read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    drop(opened);
    let opened = Opened::new(&shop, "welcome --open --pictures");
    assert!(opened.get("/frame/fr/light").0.contains("img-src http: https: data:;"));
}

#[test]
fn nothing_of_a_sample_or_a_mistake_is_markup_on_the_page() {
    let shop = Shop::new("escape");
    let evil = "</pre><script>alert(1)</script>";
    shop.write("templates/welcome/sample.yaml", &format!("customer: {{ first_name: \"{evil}\" }}\n"));
    shop.write("templates/welcome/sms.fr.txt", "{{customer.first_name}}");
    shop.write(
        "templates/welcome/email.en.mjml",
        &format!("---\nsubject: {evil}\n---\n<mjml>{{{{nope}}}}{evil}</mjml>"),
    );
    let opened = Opened::new(&shop, "welcome --open");
    let (_, page) = opened.get("/?locale=%3Cscript%3E");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(page.contains("class=\"findings\""), "{page}");
    assert_eq!(page.matches("<script").count(), 1, "ours alone: {page}");
    let (_, frame) = opened.get("/frame/fr/light");
    assert!(!frame.contains("<script"), "{frame}");
}
