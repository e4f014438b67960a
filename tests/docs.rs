//! What the pages print works as printed: rules compile, configurations load, links lead somewhere.

use std::path::{Path, PathBuf};

use declic::broker::AmqpConfig;
use declic::channels::SmtpConfig;
use declic::config;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::rules::compile::compile;

const PAGES: [&str; 5] =
    ["README.md", "docs/ARCHITECTURE.md", "docs/configuration.md", "docs/rules.md", "docs/templates.md"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
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

#[test]
fn rules_compile_as_printed() {
    let shipped =
        |name: &str| SourceFile { path: format!("rules/{name}"), text: page(&format!("rules/{name}")) };
    let mut seen = 0;
    for name in ["README.md", "docs/rules.md"] {
        for block in blocks(&page(name), "yaml") {
            let (path, text) = match block.split_whitespace().collect::<Vec<_>>()[..] {
                ["rule:", rule, ..] => (format!("rules/{rule}.yaml"), block.clone()),
                ["trigger:", ..] => {
                    let steps = "steps: [{ send: { email: a } }]\n";
                    (
                        "rules/snippet.yaml".to_owned(),
                        format!("rule: snippet\npurpose: service\n{block}{steps}"),
                    )
                }
                ["default_locale:", ..] => ("rules/policy.yaml".to_owned(), block.clone()),
                ["events:", ..] => ("rules/events.yaml".to_owned(), block.clone()),
                _ => panic!("{name}: a block of unknown kind\n{block}"),
            };
            let mut files = vec![shipped("policy.yaml"), SourceFile { path: path.clone(), text }];
            if path == "rules/policy.yaml" {
                files.remove(0);
            }
            let findings = compile(&files).diagnostics;
            assert!(findings.is_empty(), "{name}:\n{}", render(&findings, &files, false));
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} blocks found");
}

#[test]
fn configurations_load_as_printed() {
    for name in ["README.md", "docs/configuration.md"] {
        for (i, block) in blocks(&page(name), "toml").into_iter().enumerate() {
            let file = std::env::temp_dir().join(format!("declic-docs-{}-{i}.toml", std::process::id()));
            std::fs::write(&file, block).unwrap();
            let loaded = config::load(Some(&file), std::iter::empty());
            let _ = std::fs::remove_file(&file);
            let config = loaded.unwrap_or_else(|e| panic!("{name}: {e}"));
            let amqp = config.section::<AmqpConfig>("amqp").unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(amqp.is_some_and(|a| a.problems().is_empty()), "{name}");
            let smtp = config.section::<SmtpConfig>("smtp").unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(smtp.is_some(), "{name}");
        }
    }
}

#[test]
fn links_lead_to_files() {
    for name in PAGES {
        let folder = Path::new(name).parent().unwrap();
        for link in page(name).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let target = root().join(folder).join(link.split('#').next().unwrap());
            assert!(target.exists(), "{name} links to {link}, which is not there");
        }
    }
}
