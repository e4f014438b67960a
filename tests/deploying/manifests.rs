//! The manifests of Kubernetes fit together: what one names, another has.

use serde_json::Value;

use crate::{manifests, root, texts, yaml};

const FOLDER: &str = "deploy/kubernetes";

fn first(file: &str) -> Value {
    yaml(&format!("{FOLDER}/{file}")).remove(0)
}

#[test]
fn kustomize_takes_them_all() {
    let mut taken = Vec::new();
    for folder in [FOLDER.to_owned(), format!("{FOLDER}/migrate")] {
        let kustomization = &yaml(&format!("{folder}/kustomization.yaml"))[0];
        for file in texts(&kustomization["resources"]) {
            taken.push(format!("{folder}/{file}"));
        }
        for generator in kustomization["configMapGenerator"].as_array().into_iter().flatten() {
            for file in texts(&generator["files"]) {
                assert!(root().join(&folder).join(file).is_file(), "{file}");
            }
        }
        let image = kustomization["images"][0]["name"].as_str().expect("a name");
        let file = if folder == FOLDER { "deployment.yaml" } else { "migrate/job.yaml" };
        let pod = &first(file)["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["image"], image, "{file}");
    }
    for manifest in manifests().iter().filter(|path| !path.ends_with("secret.example.yaml")) {
        assert!(taken.contains(&manifest.display().to_string()), "{} is in no list", manifest.display());
    }
    assert_eq!(taken.len(), manifests().len() - 1);
}

#[test]
fn selectors_find_the_workers_and_them_alone() {
    let worker = &first("deployment.yaml")["spec"]["template"]["metadata"]["labels"];
    let migration = &first("migrate/job.yaml")["spec"]["template"]["metadata"]["labels"];
    let finds = |selector: &Value, labels: &Value| {
        selector.as_object().expect("labels").iter().all(|(name, value)| labels[name] == *value)
    };
    let services = yaml(&format!("{FOLDER}/services.yaml"));
    let selectors = [
        first("deployment.yaml")["spec"]["selector"]["matchLabels"].clone(),
        first("poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"].clone(),
        services[0]["spec"]["selector"].clone(),
        services[1]["spec"]["selector"].clone(),
    ];
    for selector in selectors {
        assert!(finds(&selector, worker) && !finds(&selector, migration), "{selector}");
    }
    // Both reach the database.
    let policy = &first("networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"];
    assert!(finds(policy, worker) && finds(policy, migration));
}

#[test]
fn ports_lead_from_services_and_policies_to_the_worker() {
    let container = &first("deployment.yaml")["spec"]["template"]["spec"]["containers"][0];
    let ports = container["ports"].as_array().expect("ports");
    for service in yaml(&format!("{FOLDER}/services.yaml")) {
        let target = &service["spec"]["ports"][0]["targetPort"];
        assert!(ports.iter().any(|port| port["name"] == *target), "{target}");
    }
    let policy = first("networkpolicy.yaml");
    let entrances = policy["spec"]["ingress"].as_array().expect("entrances");
    let open = entrances.iter().map(|entrance| &entrance["ports"][0]["port"]);
    assert!(open.eq(ports.iter().rev().map(|port| &port["containerPort"])), "{policy}");
}

#[test]
fn mounted_secrets_are_described() {
    let secrets = yaml(&format!("{FOLDER}/secret.example.yaml"));
    for file in ["deployment.yaml", "migrate/job.yaml"] {
        let pod = first(file)["spec"]["template"]["spec"].clone();
        let volumes = pod["volumes"].as_array().expect("volumes");
        let name =
            volumes.iter().find_map(|volume| volume["secret"]["secretName"].as_str()).expect("a Secret");
        let secret = secrets.iter().find(|secret| secret["metadata"]["name"] == name).expect("its example");
        for variable in pod["containers"][0]["env"].as_array().into_iter().flatten() {
            let path = variable["value"].as_str().expect("a path");
            let key = path.strip_prefix(&format!("/run/secrets/{name}/")).expect("in the Secret");
            assert!(secret["stringData"][key].is_string(), "{path}");
            assert!(variable["name"].as_str().is_some_and(|name| name.ends_with("__URL_FILE")));
        }
    }
    // An example that was committed by mistake gives nothing away.
    for secret in &secrets {
        for (key, value) in secret["stringData"].as_object().expect("keys") {
            assert!(value.as_str().is_some_and(|value| value.contains("REPLACE-ME")), "{key}");
        }
    }
}
