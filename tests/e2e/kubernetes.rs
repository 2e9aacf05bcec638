//! `deploy/kubernetes`, as far as it can be judged without a cluster: what its pods run are our commands with settings that there
//! are, and what they are asked are our routes. Schemas are looked at by `script/lint`, where the tools are.

use std::fs;
use std::path::Path;
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

use crate::world::repository;

/// The pods of the manifests, by the file that has them.
fn pods() -> Vec<(&'static str, Yaml)> {
    let files = ["base/worker.yaml", "base/api.yaml", "components/clickhouse/migrate.yaml"];
    let pod = |file| {
        let text = fs::read_to_string(repository().join("deploy/kubernetes").join(file)).unwrap();
        let mut documents = YamlLoader::load_from_str(&text).unwrap();
        (file, documents.remove(0)["spec"]["template"]["spec"].clone())
    };
    files.map(pod).into()
}

fn list(of: &Yaml) -> &[Yaml] {
    of.as_vec().map_or(&[], Vec::as_slice)
}

/// What a variable is set to: its value, or what its Secret may have.
fn value(variable: &Yaml) -> &str {
    match variable["valueFrom"]["secretKeyRef"]["key"].as_str() {
        Some("redis-url") => "redis://:secret@redis:6379",
        Some("postgres-url") => "postgres://feedmill:secret@postgres/app",
        Some(_) => "secret",
        None => variable["value"].as_str().unwrap(),
    }
}

#[test]
fn what_pods_run_are_commands_of_ours_with_settings_that_there_are() {
    let example = repository().join("deploy/kubernetes/overlays/example/feedmill.toml");
    for (file, pod) in pods() {
        let container = &pod["containers"][0];
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedmill"));
        command.args(list(&container["args"]).iter().map(|word| word.as_str().unwrap()));
        let variables = list(&container["env"]).iter();
        let variables = variables.map(|variable| (variable["name"].as_str().unwrap(), variable));
        let ours = variables.filter(|(name, _)| name.starts_with("FEEDMILL_"));
        let ours: Vec<_> = ours.filter(|(name, _)| *name != "FEEDMILL_CONFIG").collect();
        command.envs(ours.iter().map(|(name, variable)| {
            let place =
                |text: &str| text.replace("$(POD_NAME)", "a").replace("$(POD_NAMESPACE)", "b");
            (name, place(value(variable)))
        }));
        // What a file needs beside itself comes from Secrets.
        command.env("FEEDMILL_CONFIG", &example).env("FEEDMILL_REGISTRY__USER", "me");
        let output = command.arg("--print-config").output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{file}: {said}");
        assert_eq!(said.matches("# environment").count(), ours.len() + 1, "{file}: {said}");
    }
}

#[test]
fn a_pod_gets_no_variables_of_services_and_is_asked_at_routes_that_there_are() {
    let routes = ["/health", "/ready", "/ready/reads"];
    for (file, pod) in pods() {
        assert_eq!(pod["enableServiceLinks"].as_bool(), Some(false), "{file}");
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let asked = pod["containers"][0][probe]["httpGet"]["path"].as_str();
            let is_job = file.ends_with("migrate.yaml");
            assert_eq!(
                asked.is_some_and(|path| routes.contains(&path)),
                !is_job,
                "{file}: {probe}"
            );
        }
    }
}

#[test]
fn files_that_settings_name_are_where_volumes_are_mounted() {
    for (file, pod) in pods() {
        let container = &pod["containers"][0];
        let mounts = list(&container["volumeMounts"]).iter();
        let mounts: Vec<_> = mounts.filter_map(|mount| mount["mountPath"].as_str()).collect();
        let values = list(&container["env"]).iter().filter_map(|of| of["value"].as_str());
        for path in values.filter(|value| value.starts_with('/')) {
            assert!(
                mounts.iter().any(|mount| Path::new(path).starts_with(mount)),
                "{file}: {path}"
            );
        }
    }
}
