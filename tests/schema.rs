//! The committed schemas are those of this version, the files name them, and what is shipped or printed fits them.

use std::path::{Path, PathBuf};
use std::process::Command;

use declic::domain::rules::schema::Schema;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Why the committed schema refuses a file; none when it does not.
fn refusal(schema: Schema, text: &str) -> Option<String> {
    let file: Value = serde_saphyr::from_str(text).unwrap();
    let (mut compiler, mut schemas) = (boon::Compiler::new(), boon::Schemas::new());
    let path = root().join(committed(schema));
    let index = compiler.compile(path.to_str().unwrap(), &mut schemas).unwrap();
    schemas.validate(&file, index).err().map(|error| format!("{error:#}"))
}

fn committed(schema: Schema) -> PathBuf {
    format!("docs/schema/{}.json", schema.name()).into()
}

#[test]
fn the_committed_schemas_are_those_of_this_version() {
    for schema in Schema::ALL {
        let mend = "run `cargo run -- schema --out docs/schema`";
        assert!(read(committed(schema)) == schema.text(), "{} is out of date: {mend}", schema.name());
    }
}

#[test]
fn every_shipped_file_names_its_schema_and_fits() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("rules")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let schema = match name.as_str() {
            "policy.yaml" => Schema::Policy,
            "events.yaml" => Schema::Events,
            test if test.ends_with(".test.yaml") => Schema::Test,
            _ => Schema::Rule,
        };
        let text = read(format!("rules/{name}"));
        let line = format!("# yaml-language-server: $schema=../docs/schema/{}.json\n", schema.name());
        assert!(text.starts_with(&line), "rules/{name} does not begin with\n{line}");
        assert_eq!(refusal(schema, &text), None, "rules/{name}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} files found");
}

#[test]
fn every_whole_file_on_the_pages_fits() {
    let mut seen = 0;
    let pages = ["README.md", "docs/marketers.md", "docs/policy.md", "docs/quiet-hours.md", "docs/rules.md"];
    for page in pages.into_iter().chain(["docs/testing.md"]) {
        for block in read(page).split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            // One that names its file in a comment, or tells by its first field.
            let named = block.lines().next().filter(|line| line.starts_with('#'));
            let begins = block.trim_start_matches(named.unwrap_or_default()).trim_start();
            let schema = match begins.split(':').next().unwrap() {
                _ if named.is_some_and(|line| line.ends_with(".test.yaml")) => Schema::Test,
                "rule" => Schema::Rule,
                "default_locale" => Schema::Policy,
                "events" => Schema::Events,
                _ => continue,
            };
            assert_eq!(refusal(schema, block), None, "{page}:\n{block}");
            seen += 1;
        }
    }
    assert!(seen >= 10, "only {seen} blocks found");
}

#[test]
fn the_command_prints_one_and_writes_all() {
    let declic = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_declic")).arg("schema").args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(declic(&["rule"]), (0, Schema::Rule.text()));
    assert_eq!(declic(&[]).0, 2);
    let folder = std::env::temp_dir().join(format!("declic-schema-{}", std::process::id()));
    let (code, said) = declic(&["--out", folder.to_str().unwrap()]);
    assert_eq!((code, said.lines().count()), (0, Schema::ALL.len()));
    for schema in Schema::ALL {
        let path = folder.join(format!("{}.json", schema.name()));
        assert!(said.contains(path.to_str().unwrap()));
        assert_eq!(std::fs::read_to_string(path).unwrap(), schema.text());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
