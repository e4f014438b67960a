//! The image: built by a Rust that Declic and its crates compile with, from files that are enough, without root.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::{assert_command, cargo_toml, read, root, texts, yaml};

/// The instructions of a Dockerfile, with the lines of each joined.
fn instructions(path: &str) -> Vec<(String, String)> {
    let text: Vec<String> = read(path).lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect();
    let text = text.join("\n").replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).collect()
}

fn of<'a>(instructions: &'a [(String, String)], name: &str) -> &'a str {
    let found = instructions.iter().rev().find(|(found, _)| found == name);
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

fn list(words: &str) -> Vec<String> {
    serde_json::from_str(words).unwrap_or_else(|e| panic!("`{words}` is no list: {e}"))
}

/// Major, minor, patch; what is left out is 0.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().expect("a number"));
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

#[test]
fn it_is_built_by_the_rust_that_is_asked_for_and_that_is_enough_for_every_crate() {
    let manifest = cargo_toml();
    let rust = manifest["package"]["rust-version"].as_str().expect("a version");
    let dockerfile = instructions("Dockerfile");
    assert!(dockerfile[0].1.starts_with(&format!("rust:{rust}-")), "{:?}", dockerfile[0]);
    assert!(read("README.md").contains(&format!("Rust ({rust} or later)")));

    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1"]).current_dir(root());
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 200);
    for package in packages {
        let Some(needed) = package["rust_version"].as_str() else { continue };
        assert!(version(needed) <= version(rust), "{} wants Rust {needed}", package["name"]);
    }
}

#[test]
fn its_last_stage_is_nobody_without_a_shell_and_asks_for_commands_that_exist() {
    let dockerfile = instructions("Dockerfile");
    let last = dockerfile.iter().rposition(|(name, _)| name == "FROM").expect("a stage");
    assert!(dockerfile[last].1.contains("distroless/"));
    let stage = &dockerfile[last..];
    let (user, group) = of(stage, "USER").split_once(':').expect("a user and a group");
    assert!(user.parse::<u32>().expect("a number") > 0 && group.parse::<u32>().expect("a number") > 0);
    assert!(!stage.iter().any(|(name, _)| name == "RUN"), "there is no shell to run anything");
    assert_eq!(list(of(stage, "ENTRYPOINT")), ["declic"]);
    let check = list(of(stage, "HEALTHCHECK").split_once("CMD ").expect("a command").1);
    for command in [check[1..].to_vec(), list(of(stage, "CMD"))] {
        assert_command(&command.iter().map(String::as_str).collect::<Vec<_>>(), "Dockerfile");
    }
    let project = instructions("deploy/kubernetes/project.Dockerfile");
    for (_, run) in project.iter().filter(|(name, _)| name == "RUN") {
        let run = list(run);
        assert_command(&run[1..].iter().map(String::as_str).collect::<Vec<_>>(), "project.Dockerfile");
    }
    // The pods run as the user that the image was made for.
    for path in ["deploy/kubernetes/deployment.yaml", "deploy/kubernetes/migrate/job.yaml"] {
        let pod = &yaml(path)[0]["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsUser"].to_string(), user, "{path}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{path}");
        for container in pod["containers"].as_array().expect("containers") {
            assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{path}");
            assert_command(&texts(&container["args"]), path);
        }
    }
    let compose = &yaml("compose.yaml")[0];
    for service in ["declic", "migrate"] {
        assert_command(&texts(&compose["services"][service]["command"]), "compose.yaml");
    }
}

#[test]
fn what_is_compiled_in_is_sent_to_the_build() {
    let ignored = read(".dockerignore");
    let sent: Vec<PathBuf> =
        ignored.lines().filter_map(|l| l.strip_prefix('!')).map(|p| root().join(p)).collect();
    for path in &sent {
        assert!(path.exists(), ".dockerignore names {}", path.display());
    }
    let mut folders = vec![root().join("src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source");
            let served = text.split("#[cfg(test)]").next().unwrap_or_default();
            for included in served.split("include_").skip(1) {
                let name = included.strip_prefix("str!(\"").or_else(|| included.strip_prefix("bytes!(\""));
                let Some(name) = name.and_then(|rest| rest.split('"').next()) else { continue };
                let file = folder.join(name).canonicalize().unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(sent.iter().any(|sent| file.starts_with(sent)), "{} is not sent", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} files found");
    for shipped in ["rules", "templates"] {
        assert!(sent.contains(&root().join(shipped)), "the demo's {shipped}");
    }
}
