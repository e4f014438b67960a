//! The Debian package: every file that it is made of is there, or written by the program itself, as `scripts/package` has it do.
//!
//! `cargo-deb` itself is not needed here; docs/deploying.md says what was tried with it.

use std::process::{Command, Stdio};

use crate::support::{Folder, run};
use crate::{cargo_toml, read, root};

/// Where `scripts/package` has the program write.
const MADE: &str = "target/package/";

fn declic(arguments: &[&str]) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_declic")).args(arguments).env_clear())
}

/// Whether there is a file by this name, in which `*` and `**/*` stand for any.
fn exists(pattern: &str) -> bool {
    let Some((folder, name)) = pattern.split_once('*') else { return root().join(pattern).is_file() };
    let ending = name.rsplit('*').next().unwrap_or_default();
    let mut files = std::fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().ends_with(ending)))
}

#[test]
fn every_file_of_it_is_there() {
    let manifest = cargo_toml();
    let deb = &manifest["package"]["metadata"]["deb"];
    let script = read("scripts/package");
    let mut made = vec![deb["changelog"].as_str().expect("a path")];
    let assets = deb["assets"].as_array().expect("assets");
    assert!(assets.len() > 10);
    for asset in assets {
        let source = asset[0].as_str().expect("a source");
        if source.starts_with(MADE) {
            made.push(source);
        } else {
            assert!(source == "target/release/declic" || exists(source), "{source} is not there");
        }
    }
    for path in made {
        let name = path.strip_prefix(MADE).expect("made").trim_end_matches("/*.1");
        assert!(script.contains(&format!("$made/{name}\"")), "scripts/package does not write {path}");
    }
    assert!(root().join(deb["maintainer-scripts"].as_str().expect("a folder")).is_dir());
    assert!(exists(deb["license-file"][0].as_str().expect("a path")));
    let units = deb["systemd-units"]["unit-scripts"].as_str().expect("a folder");
    assert!(root().join(units).join("declic.service").is_file());
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let folder = Folder::new("manual");
    declic(&["man", &folder.path().display().to_string()]);
    let page =
        |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(page("declic.1").starts_with(".ie"), "roff");
    let help = declic(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").expect("a list");
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 20);
    for name in names.iter().filter(|name| **name != "help") {
        assert!(page("declic.1").contains(&format!("declic\\-{}(1)", name.replace('-', "\\-"))), "{name}");
        assert!(page(&format!("declic-{name}.1")).contains(".SH SYNOPSIS"), "{name}");
    }
    // A command within a command.
    assert!(page("declic-customers-import.1").contains(".SH OPTIONS"));
    for hidden in ["man", "completions"] {
        assert!(!folder.join(&format!("declic-{hidden}.1")).exists(), "{hidden} is nobody's business");
    }
}

#[test]
fn shells_complete_every_command() {
    let folder = Folder::new("completions");
    for shell in ["bash", "fish", "zsh"] {
        let text = declic(&["completions", shell]);
        for word in ["dead-letters", "simulate", "no-publish"] {
            assert!(text.contains(word), "{shell} does not complete {word}");
        }
        std::fs::write(folder.join(shell), text).expect("a file");
    }
    let mut bash = Command::new("/bin/bash");
    let script = r#"source "$1"; COMP_WORDS=(declic dead); COMP_CWORD=1; _declic declic dead declic; echo "${COMPREPLY[*]}""#;
    let said = run(bash.args(["-c", script, "-"]).arg(folder.join("bash")).stdin(Stdio::null()));
    assert_eq!(said.trim(), "dead-letters");
}
