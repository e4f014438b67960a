//! The tools that know these files, at their strictest.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::pip;
use crate::{manifests, root};

/// The oldest Kubernetes that the manifests are for, and the newest that the checker knows.
const KUBERNETES: [&str; 2] = ["1.27", "1.37"];

fn lint(program: &str, arguments: &[&str], files: &[PathBuf]) {
    let mut command = Command::new(pip::programs("tests/deploying").join(program));
    let output = command.args(arguments).args(files).current_dir(root()).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let words =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{program} {arguments:?}:\n{words}");
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| Path::new(name).to_owned()).collect()
}

#[test]
fn dockerfiles() {
    let files = paths(&["Dockerfile", "deploy/kubernetes/project.Dockerfile"]);
    lint("hadolint", &["--failure-threshold", "style", "--strict-labels"], &files);
}

#[test]
fn compose() {
    lint("check-jsonschema", &["--builtin-schema", "vendor.compose-spec"], &paths(&["compose.yaml"]));
}

#[test]
fn kubernetes() {
    for version in KUBERNETES {
        lint("kubernetes-validate", &["--strict", "--kubernetes-version", version], &manifests());
    }
}

#[test]
fn yaml() {
    lint("yamllint", &["--strict", "--config-file", "deploy/.yamllint"], &paths(&["compose.yaml", "deploy"]));
}
