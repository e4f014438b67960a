//! The configurations load, each with the secrets that stand beside it where it is deployed.

use std::collections::BTreeMap;
use std::path::Path;

use declic::broker::AmqpConfig;
use declic::channels::{Smtp, SmtpConfig};
use declic::config::{self, Config};

use crate::support::Folder;
use crate::{read, texts, yaml};

/// Loads a configuration and asks those who use its sections.
fn load(path: &Path, environment: &BTreeMap<String, String>) -> Config {
    let environment = environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    let config =
        config::load(Some(path), environment).unwrap_or_else(|e| panic!("{}: {e:#}", path.display()));
    let amqp = config.section::<AmqpConfig>("amqp").expect("[amqp]");
    assert!(amqp.is_none_or(|amqp| amqp.problems().is_empty()));
    if let Some(smtp) = config.section::<SmtpConfig>("smtp").expect("[smtp]") {
        Smtp::new(&smtp).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    config
}

/// The files that secrets are read from.
fn secret_files(text: &str) -> Vec<&str> {
    let values = text.lines().filter_map(|line| line.trim_start_matches('#').split_once("_file = \""));
    values.map(|(_, value)| value.split('"').next().expect("a value")).collect()
}

fn example(key: &str) -> &'static str {
    match key {
        "database-url" => "postgres://declic:secret@localhost/declic",
        "amqp-url" => "amqp://declic:secret@localhost:5672/%2f",
        _ => "a secret that is long enough",
    }
}

#[test]
fn that_of_compose_with_its_environment() {
    let compose = &yaml("compose.yaml")[0];
    for (name, commands) in [("declic", "run"), ("migrate", "migrate")] {
        let service = &compose["services"][name];
        assert_eq!(texts(&service["command"]), [commands]);
        let environment = service["environment"].as_object().expect("variables");
        let environment: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
            .collect();
        let config = load(&crate::root().join("deploy/compose/declic.toml"), &environment);
        assert!(!config.uses_sqlite() && config.secret.is_some());
        let token = &environment["DECLIC_ADMIN__TOKEN"];
        assert!(read("deploy/compose/prometheus.yml").contains(&format!("credentials: {token} ")));
        // What it is to reach from other containers is no listener on loopback.
        for listener in [config.admin.listen, config.public.listen] {
            assert!(listener.ip().is_unspecified());
        }
        let ports = texts(&compose["services"]["declic"]["ports"]);
        for port in [config.admin.listen.port(), config.public.listen.port()] {
            assert!(ports.contains(&format!("127.0.0.1:{port}:{port}").as_str()), "{ports:?}");
        }
        for (server, url) in [("postgres", "DECLIC_DATABASE__URL"), ("rabbitmq", "DECLIC_AMQP__URL")] {
            assert!(
                environment[url].contains(&format!("@{server}")) && !compose["services"][server].is_null()
            );
        }
    }
    for (name, service) in compose["services"].as_object().expect("services") {
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} is reached from outside by {port}");
        }
    }
}

#[test]
fn that_of_kubernetes_with_its_secret() {
    let mounted = "/run/secrets/declic/";
    let secret = &yaml("deploy/kubernetes/secret.example.yaml")[0];
    let keys: Vec<&String> = secret["stringData"].as_object().expect("keys").keys().collect();
    let folder = Folder::new("kubernetes");
    for key in &keys {
        std::fs::write(folder.join(key), example(key)).expect("a secret");
    }
    let text = read("deploy/kubernetes/declic.toml");
    let mut named: Vec<&str> = secret_files(&text);
    named.sort_unstable();
    assert_eq!(named, keys.iter().map(|key| format!("{mounted}{key}")).collect::<Vec<_>>(), "sorted by name");
    let path = folder.join("declic.toml");
    std::fs::write(&path, text.replace(mounted, &format!("{}/", folder.path().display()))).expect("a copy");
    let config = load(&path, &BTreeMap::new());
    assert!(!config.uses_sqlite() && config.admin.token.is_some());
    let pod = &yaml("deploy/kubernetes/deployment.yaml")[0]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert!(container["volumeMounts"].to_string().contains(mounted.trim_end_matches('/')));
    let ports: Vec<_> = container["ports"].as_array().expect("ports").iter().collect();
    assert_eq!(ports[0]["containerPort"], config.admin.listen.port());
    assert_eq!(ports[1]["containerPort"], config.public.listen.port());
    let patience = pod["terminationGracePeriodSeconds"].as_u64().expect("seconds");
    assert!(patience > config.worker.shutdown_deadline_s + 4);
}

#[test]
fn that_of_the_package_as_it_is_and_with_every_setting_taken_in() {
    let text = read("deploy/debian/declic.toml");
    let folder = Folder::new("debian");
    let path = folder.join("declic.toml");
    std::fs::write(&path, &text).expect("a copy");
    let config = load(&path, &BTreeMap::new());
    assert_eq!(config.database_url(), "sqlite:/var/lib/declic/declic.db");
    assert_eq!(config.worker.rules_dir, Path::new("/etc/declic"));

    let unit = read("deploy/systemd/declic.service");
    let named = secret_files(&text);
    assert!(named.len() > 4, "{named:?}");
    for secret in named {
        let credential = format!("LoadCredential={secret}:/etc/declic/{secret}");
        assert!(unit.lines().any(|line| line == credential), "the unit hands on no `{secret}`");
        std::fs::write(folder.join(secret), example(secret)).expect("a secret");
    }
    // A line that begins with `#` and no space is a setting.
    let taken_in: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("url = "))
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .collect();
    std::fs::write(&path, taken_in.join("\n")).expect("a copy");
    let config = load(&path, &BTreeMap::new());
    assert!(!config.uses_sqlite() && config.secret.is_some() && config.admin.token.is_some());
}
