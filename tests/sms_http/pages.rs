//! What docs/sms-providers.md prints works as printed, and leaves no key out.

use declic::channels::sms::http::{Webhooks, preset_names};
use declic::channels::{HttpSms, HttpSmsConfig};

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The `[sms]` section of each block, without what only `Config` resolves.
fn sections(page: &str) -> Vec<String> {
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let with_secrets = blocks.map(|block| {
        block
            .lines()
            .map(|line| match line.split_once("secret_file = ") {
                Some((before, _)) => format!("{before}secret = '0123456789abcdef'"),
                None => line.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("\n")
    });
    with_secrets.collect()
}

#[test]
fn descriptions_load_as_printed() {
    let sections = sections(&read("docs/sms-providers.md"));
    assert!(sections.len() >= 4, "only {} blocks found", sections.len());
    for block in sections {
        let whole: toml::Table = toml::from_str(&block).unwrap_or_else(|e| panic!("{e}\n{block}"));
        let config: HttpSmsConfig =
            whole["sms"].clone().try_into().unwrap_or_else(|e| panic!("{e}\n{block}"));
        HttpSms::new(&config, "https://news.example.com").unwrap_or_else(|e| panic!("{e}\n{block}"));
        Webhooks::new(&config, "https://news.example.com").unwrap_or_else(|e| panic!("{e}\n{block}"));
    }
}

#[test]
fn every_key_and_preset_is_explained() {
    let page = read("docs/sms-providers.md");
    let source = read("src/channels/sms/http/config.rs");
    for name in ["HttpSmsConfig", "Errors", "WebhookConfig", "StatusFields", "InboundFields"] {
        let (_, rest) = source.split_once(&format!("pub struct {name} {{\n")).unwrap();
        let fields = rest.split_once("\n}").unwrap().0.lines().map(str::trim);
        for field in fields.filter_map(|line| Some(line.strip_prefix("pub ")?.split_once(':')?.0)) {
            let named = [format!("`{field}`"), format!("[sms.{field}]"), format!(".{field}]")];
            assert!(
                named.iter().any(|form| page.contains(form)),
                "docs/sms-providers.md says nothing of `{field}` ({name})"
            );
        }
    }
    for preset in preset_names() {
        assert!(page.contains(&format!("`{preset}`")), "docs/sms-providers.md says nothing of `{preset}`");
    }
    assert!(page.lines().count() <= 250);
}
