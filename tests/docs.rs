//! What the pages print works as printed: rules and templates compile, conditions can be told, helpers write what the
//! table says, configurations load, links lead somewhere, and no key or metric is left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use declic::active::Checked;
use declic::broker::AmqpConfig;
use declic::channels::{Smtp, SmtpConfig};
use declic::config;
use declic::domain::consent::Channel;
use declic::domain::countries;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::domain::hours::holidays::Calendar;
use declic::domain::hours::{QuietHours, Reader, presets};
use declic::domain::rules::compile::compile;
use declic::domain::rules::condition::{Condition, Scope, Truth};
use declic::domain::rules::{Basis, policy};
use declic::domain::templates;
use declic::files;
use declic::simulate::stand_in_secret;
use declic::trial;
use serde_json::{Value, json};

const PAGES: &[&str] = &[
    "README.md",
    "docs/ARCHITECTURE.md",
    "docs/acting.md",
    "docs/backup.md",
    "docs/bounces.md",
    "docs/checking.md",
    "docs/configuration.md",
    "docs/consent.md",
    "docs/console.md",
    "docs/dead-letters.md",
    "docs/deploying.md",
    "docs/explain.md",
    "docs/guarantees.md",
    "docs/marketers.md",
    "docs/metrics.md",
    "docs/operations.md",
    "docs/policy.md",
    "docs/quiet-hours.md",
    "docs/register.md",
    "docs/retention.md",
    "docs/rules.md",
    "docs/scaling.md",
    "docs/security.md",
    "docs/simulate.md",
    "docs/smpp.md",
    "docs/sms-providers.md",
    "docs/sms.md",
    "docs/statements.md",
    "docs/templates.md",
    "docs/testing.md",
    "docs/tracing.md",
    "docs/upgrades.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn file(path: impl Into<String>, text: impl Into<String>) -> SourceFile {
    SourceFile { path: path.into(), text: text.into() }
}

/// The fenced blocks of one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next())
        .map(|b| format!("{b}\n"))
        .collect()
}

/// The file that a block stands for: a whole one, or a part of a policy or a rule, which is completed.
fn yaml_file(block: &str) -> SourceFile {
    match block.split_whitespace().collect::<Vec<_>>()[..] {
        ["rule:", rule, ..] => return file(format!("rules/{rule}.yaml"), block),
        ["default_locale:", ..] => return file("rules/policy.yaml", block),
        [
            "default_country:" | "frequency_caps:" | "purposes:" | "quiet_hours:" | "register:"
            | "retention:",
            ..,
        ] => {
            return file("rules/policy.yaml", policy::EXAMPLE.to_owned() + block);
        }
        ["events:", ..] => return file("rules/events.yaml", block),
        _ => {}
    }
    let mut text = "rule: part\npurpose: service\n".to_owned();
    for line in ["trigger: { event: cart.updated }", "steps: [{ send: { email: a } }]"] {
        let (field, _) = line.split_once(' ').unwrap();
        if !block.lines().any(|l| l.starts_with(field)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    file("rules/part.yaml", text + block)
}

#[test]
fn rules_compile_as_printed() {
    let mut seen = 0;
    for name in [
        "README.md",
        "docs/policy.md",
        "docs/quiet-hours.md",
        "docs/register.md",
        "docs/rules.md",
        "docs/sms.md",
        "docs/statements.md",
    ] {
        for block in blocks(&page(name), "yaml") {
            let mut files = vec![yaml_file(&block)];
            if files[0].path != "rules/policy.yaml" {
                files.push(file("rules/policy.yaml", page("rules/policy.yaml")));
            }
            let findings = compile(&files).diagnostics;
            assert!(findings.is_empty(), "{name}:\n{}", render(&findings, &files, false));
            seen += 1;
        }
    }
    assert!(seen >= 12, "only {seen} blocks found");
}

#[test]
fn rule_tests_pass_and_fail_as_printed() {
    let printed = page("docs/testing.md");
    let files = files::read(&root()).unwrap();
    let checked = Checked::new(&files);
    let tests: Vec<SourceFile> = blocks(&printed, "yaml")
        .into_iter()
        .map(|block| file(block.lines().next().unwrap().trim_start_matches("# ").to_owned(), block))
        .collect();
    let read = |test: &SourceFile| checked.scenarios(&files, std::slice::from_ref(test));
    let scenarios: Vec<_> = tests
        .iter()
        .flat_map(|test| {
            let (scenarios, findings) = read(test);
            assert!(findings.is_empty(), "{}", render(&findings, std::slice::from_ref(test), false));
            scenarios
        })
        .collect();
    let active = Checked::new(&files).activate(&files, stand_in_secret());
    let zone = active.book.active.policy.default_timezone;
    let trials: Vec<_> = scenarios.iter().map(|scenario| trial::run(&active, scenario)).collect();
    let failures: Vec<String> =
        trials.iter().filter(|t| !t.passed()).map(|t| trial::failure(t, zone)).collect();
    assert_eq!(failures, blocks(&printed, "text"));
    assert!(trials.len() > 3, "only {} tests found", trials.len());
}

/// A copy of the shop, as the reader of the guide has it; gone with the test.
struct Marketer(PathBuf);

impl Marketer {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("declic-guide-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["rules", "templates"] {
            let copied = Command::new("cp").arg("-r").arg(root().join(name)).arg(&folder).status();
            assert!(copied.is_ok_and(|status| status.success()));
        }
        Self(folder)
    }

    /// Types what stands behind each `$`. What follows is what must be said, where `…` stands for any lines.
    fn types(&self, block: &str) {
        for step in format!("\n{block}").split("\n$ ").skip(1) {
            let (line, shown) = step.split_once('\n').unwrap_or((step, ""));
            let declic = Path::new(env!("CARGO_BIN_EXE_declic"));
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(format!("{line} 2>&1")).current_dir(&self.0).env_clear();
            let output = shell.env("PATH", declic.parent().unwrap()).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(fits(shown.trim_end(), said.trim_end()), "$ {line}\n{said}\nand not\n{shown}");
        }
    }

    /// Takes out the lines behind `-` and puts those behind `+` in their place.
    fn edits(&self, block: &str) {
        let mut lines = block.lines().peekable();
        let path = self.0.join(lines.next().unwrap().trim());
        let mut text = std::fs::read_to_string(&path).unwrap();
        while lines.peek().is_some() {
            let mut behind = |sign| {
                let mut taken = String::new();
                while let Some(line) = lines.next_if(|line| line.starts_with(sign)) {
                    taken += &format!("{}\n", line.get(2..).unwrap_or_default());
                }
                taken
            };
            let (old, new) = (behind('-'), behind('+'));
            assert_eq!(format!("\n{text}").matches(&format!("\n{old}")).count(), 1, "{old}in\n{text}");
            text = text.replacen(&old, &new, 1);
        }
        std::fs::write(path, text).unwrap();
    }

    /// Writes the file that the first line names.
    fn writes(&self, block: &str) {
        let path = block.lines().next().unwrap().trim_start_matches("# ");
        std::fs::write(self.0.join(path), block).unwrap();
    }
}

impl Drop for Marketer {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether all parts of `shown` between its `…` are said in this order, from the first word to the last.
fn fits(shown: &str, said: &str) -> bool {
    let Some((head, tail)) = shown.split_once('…') else { return shown == said };
    let Some(mut rest) = said.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = tail.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn the_guide_leads_where_it_says() {
    let marketer = Marketer::new();
    let printed = page("docs/marketers.md");
    let mut seen = 0;
    for block in printed.split("\n```").skip(1).step_by(2) {
        match block.split_once('\n').unwrap() {
            ("console", block) => marketer.types(block),
            ("diff", block) => marketer.edits(block),
            ("yaml", block) => marketer.writes(&format!("{block}\n")),
            (language, _) => panic!("nobody knows what to do with {language}"),
        }
        seen += 1;
    }
    assert!(seen >= 15, "only {seen} blocks found");
}

#[test]
fn sms_go_when_the_table_says() {
    let printed = page("docs/quiet-hours.md");
    let mut seen = 0;
    for row in printed.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [country, asked, expected] = cells[..] else { continue };
        let zones = countries::zones_of(country);
        let local = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M");
        let Ok(asked) = local(asked) else { continue };
        let instant = |local: NaiveDateTime| local.and_local_timezone(zones[0]).unwrap().to_utc();
        let (purpose, basis) = ("marketing", Basis::Consent);
        let reader = Reader { channel: Channel::Sms, purpose, basis, country: Some(country), zones };
        let hours = QuietHours { spread: TimeDelta::zero(), ..QuietHours::default() };
        let found = hours.next_allowed(&reader, "m", instant(asked), DateTime::<Utc>::MAX_UTC);
        assert_eq!(found, Some(instant(local(expected).unwrap())), "{row}");
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} rows found");
}

#[test]
fn every_preset_and_calendar_is_explained() {
    let explained = page("docs/quiet-hours.md");
    for name in presets::names().chain(Calendar::ALL.map(Calendar::name)) {
        assert!(explained.contains(&format!("`{name}`")), "docs/quiet-hours.md says nothing of {name}");
    }
}

#[test]
fn conditions_can_be_told_as_printed() {
    let event: Event = serde_json::from_value(json!({
        "id": "1", "source": "/shop", "type": "cart.updated", "subject": "c-42", "time": "2026-11-22T10:00:00Z",
        "data": {"total": 120.5, "items": [{"price": 120.5}], "registered_at": "2026-11-01T00:00:00Z"},
    }))
    .unwrap();
    let customer = json!({"id": "c-42", "country": "FR", "phone": "+33612345678", "tags": ["new"]});
    let entry = json!({});
    let scope = Scope::new(Some(&event), customer.as_object().unwrap(), &entry, event.time);
    let printed = blocks(&page("docs/rules.md"), "cel").concat();
    for line in printed.lines() {
        let condition = Condition::parse(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let truth = condition.eval(&scope);
        assert!(!matches!(truth, Truth::Unknown(_)), "{line}: {truth:?}");
    }
    assert!(printed.lines().count() >= 5);
}

/// The shipped partials, which templates on the page include.
fn partials() -> Vec<SourceFile> {
    let folder = root().join("templates/_partials");
    let names = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.map(|name| format!("templates/_partials/{name}")).map(|path| file(&path, page(&path))).collect()
}

fn within_a_page(subject: &str, body: &str) -> String {
    format!(
        "---\nsubject: '{subject}'\n---\n<mjml><mj-body><mj-section><mj-column>\n{body}</mj-column></mj-section></mj-body></mjml>\n"
    )
}

#[test]
fn templates_compile_as_printed() {
    let printed = page("docs/templates.md");
    let mut files = partials();
    for (i, block) in blocks(&printed, "mjml").into_iter().enumerate() {
        let text = if block.starts_with("---") { block } else { within_a_page("s", &block) };
        files.push(file(format!("templates/t{i}/email.fr.mjml"), text));
    }
    for block in blocks(&printed, "text") {
        files.push(file("templates/t0/email.fr.txt", block));
    }
    for block in blocks(&page("docs/sms.md"), "text") {
        files.push(file("templates/t0/sms.fr.txt", block));
    }
    let (compiled, findings) = templates::compile(&files, "fr");
    assert!(findings.is_empty(), "{}", render(&findings, &files, false));
    assert_eq!(compiled.names().count(), 3);
}

fn sample(locale: &str) -> Value {
    json!({
        "customer": {"id": "c-42"}, "locale": locale, "timezone": "Europe/Paris",
        "event": {"time": "2026-02-28T08:05:00Z"}, "promo_code": {"discount": {"percent": 1500}},
        "data": {
            "total": 1234.5, "currency": "EUR", "points": 1200, "day": "2026-02-28", "count": 2, "items": ["x"],
            "city": "Le Mans", "cart_url": "https://shop.example/k-7",
        },
    })
}

#[test]
fn helpers_write_what_the_table_says() {
    let printed = page("docs/templates.md");
    let mut seen = 0;
    for row in printed.lines().filter(|line| line.starts_with("| `{{")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [expression, in_french, in_english] = cells[..] else { panic!("{row}") };
        let subject = within_a_page(expression.trim_matches('`'), "<mj-text>x</mj-text>");
        for (locale, expected) in [("fr", in_french), ("en", in_english)] {
            let files = [file(format!("templates/t/email.{locale}.mjml"), subject.clone())];
            let (compiled, findings) = templates::compile(&files, locale);
            assert!(findings.is_empty(), "{}", render(&findings, &files, false));
            let mail = compiled.resolve("t", locale).unwrap().render(sample(locale)).unwrap();
            // Numbers hold spaces at which no line breaks.
            let shown = mail.subject.replace(['\u{a0}', '\u{202f}'], " ");
            assert_eq!(shown, expected, "{expression} in {locale}");
        }
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} helpers found");
}

/// The block with files that exist in the place of those it names.
fn with_files(block: &str, folder: &Path) -> String {
    let secret = folder.join("secret");
    std::fs::write(&secret, "an example of a secret\n").unwrap();
    let key = root().join("tests/data/smtp/dkim-rsa.pem");
    let mut text = block.replace("/run/secrets/dkim.pem", key.to_str().unwrap());
    for name in ["declic", "smtp"] {
        text = text.replace(&format!("/run/secrets/{name}"), secret.to_str().unwrap());
    }
    text
}

#[test]
fn configurations_load_as_printed() {
    let folder = std::env::temp_dir().join(format!("declic-docs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("declic.toml");
    let mut seen = 0;
    for name in ["README.md", "docs/configuration.md", "docs/scaling.md", "docs/security.md"] {
        for block in blocks(&page(name), "toml") {
            std::fs::write(&path, with_files(&block, &folder)).unwrap();
            let config = config::load(Some(&path), std::iter::empty());
            let config = config.unwrap_or_else(|e| panic!("{name}: {e}\n{block}"));
            let amqp = config.section::<AmqpConfig>("amqp").unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(amqp.is_none_or(|a| a.problems().is_empty()), "{name}\n{block}");
            let smtp = config.section::<SmtpConfig>("smtp").unwrap_or_else(|e| panic!("{name}: {e}"));
            if let Some(smtp) = smtp {
                Smtp::new(&smtp).unwrap_or_else(|e| panic!("{name}: {e}\n{block}"));
                assert_eq!(smtp.limits().problem(), None, "{name}\n{block}");
                assert!(config.worker.lease_s > smtp.send_deadline_s * 3, "{name}\n{block}");
                assert!(config.worker.shutdown_deadline_s > smtp.send_deadline_s, "{name}\n{block}");
            }
            seen += 1;
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(seen >= 4, "only {seen} blocks found");
}

#[test]
fn every_key_is_explained() {
    let explained = page("docs/configuration.md") + &page("docs/smpp.md");
    let sources = [
        ("src/config.rs", ["Database", "Public", "Admin", "Worker", "ClockSection"].as_slice()),
        ("src/broker/mod.rs", ["AmqpConfig"].as_slice()),
        ("src/channels/email/config.rs", ["SmtpConfig", "DkimConfig"].as_slice()),
        ("src/channels/sms/smpp/config.rs", ["SmppConfig"].as_slice()),
        ("src/channels/limits.rs", ["Limits", "DomainLimits"].as_slice()),
    ];
    for (source, structs) in sources {
        let source = page(source);
        for name in structs {
            let (_, rest) = source.split_once(&format!("pub struct {name} {{\n")).unwrap();
            let fields = rest.split_once("\n}").unwrap().0.lines().map(str::trim);
            let fields = fields
                .filter(|line| !line.starts_with(['/', '#']))
                .filter_map(|line| Some(line.trim_start_matches("pub ").split_once(':')?.0));
            for field in fields {
                let forms = [format!("`{field}`"), format!("\n{field} ="), format!(".{field}]]")];
                let named = forms.iter().any(|form| explained.contains(form));
                assert!(named, "the pages say nothing of `{field}` ({name})");
            }
        }
    }
}

#[test]
fn every_metric_is_explained() {
    let explained = page("docs/metrics.md");
    let described = page("src/telemetry/catalogue.rs");
    let mut folders = vec![root().join("src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            let stem = entry.file_stem().unwrap_or_default().to_owned();
            if stem == "tests" {
                continue;
            }
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let Ok(source) = std::fs::read_to_string(&entry) else { continue };
            let calls = ["counter!(\"", "gauge!(\"", "histogram!(\""].into_iter();
            for name in calls.flat_map(|call| source.split(call).skip(1)).filter_map(|r| r.split('"').next())
            {
                let named = ["`", "{"].iter().any(|end| explained.contains(&format!("`{name}{end}")));
                assert!(named, "docs/metrics.md says nothing of {name} ({})", entry.display());
                let described = described.contains(&format!("\"{name}\","));
                assert!(
                    described,
                    "src/telemetry/catalogue.rs does not describe {name} ({})",
                    entry.display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen >= 15, "only {seen} metrics found");
}

#[test]
fn links_lead_to_files() {
    for name in PAGES {
        let folder = Path::new(name).parent().unwrap();
        for link in page(name).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if link.starts_with("http") || path.is_empty() {
                continue;
            }
            let target = root().join(folder).join(path);
            assert!(target.exists(), "{name} links to {link}, which is not there");
        }
    }
}

#[test]
fn pages_stay_short() {
    for name in PAGES {
        let lines = page(name).lines().count();
        // The guide is followed step by step, and half of it is what is typed and printed.
        let most = if *name == "docs/marketers.md" { 300 } else { 250 };
        assert!(lines <= most, "{name} has {lines} lines: nobody reads more than {most}");
    }
}
