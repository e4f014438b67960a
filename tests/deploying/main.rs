//! What `docs/deploying.md` has people install is read by the tools that will read it there, and names only what Declic has:
//! the image, `compose.yaml`, the unit of systemd, the Debian package, the manifests of Kubernetes.

#[path = "../support/mod.rs"]
mod support;

mod configurations;
mod images;
mod linters;
mod manifests;
mod package;
mod unit;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The documents of a YAML file, in YAML 1.2.
fn yaml(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn cargo_toml() -> toml::Table {
    read("Cargo.toml").parse().expect("Cargo.toml is TOML")
}

/// The manifests of Kubernetes, without those of kustomize.
fn manifests() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["deploy/kubernetes", "deploy/kubernetes/migrate"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let is_ours =
                path.extension().is_some_and(|e| e == "yaml") && !path.ends_with("kustomization.yaml");
            if is_ours {
                found.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    assert!(found.len() > 6, "{found:?}");
    found
}

/// Whether `declic` knows these arguments, by asking for help about them.
fn assert_command(declic: &[&str], named_by: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
    let output =
        command.args(declic).arg("--help").env_clear().stdin(Stdio::null()).output().expect("it starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{named_by} runs `declic {}`: {words}", declic.join(" "));
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
