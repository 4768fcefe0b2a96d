//! The modules of this crate have no circular dependencies, and do not depend on a service.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file, without comments and tests.
fn code(path: &Path) -> String {
    if path.file_stem().is_some_and(|name| name == "tests") {
        return String::new();
    }
    let text = fs::read_to_string(path).expect("a source");
    let before_tests = text
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = before_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The top-level module of a file: the first part of its path.
fn module(path: &Path) -> String {
    let within = path
        .strip_prefix(here().join("src"))
        .expect("a source of this crate");
    let first = within
        .components()
        .next()
        .expect("a name")
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that each module uses.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
    for path in sources(&here().join("src")) {
        let from = module(&path);
        let code = code(&path);
        for rest in code.split("crate::").skip(1) {
            let to: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if to != from && !to.is_empty() {
                uses.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    uses
}

#[test]
fn modules_have_no_circular_dependencies() {
    let mut uses = uses();
    assert!(uses.len() > 10, "{uses:?}");

    // Repeatedly removes the modules that use no other one, until all are removed.
    while !uses.is_empty() {
        let known: BTreeSet<String> = uses.keys().cloned().collect();
        uses.retain(|_, used| used.iter().any(|module| known.contains(module)));

        assert!(
            uses.len() < known.len(),
            "these have circular dependencies: {uses:?}"
        );
    }
}

#[test]
fn no_module_depends_on_a_service() {
    let manifest = fs::read_to_string(here().join("Cargo.toml")).expect("a manifest");
    let services = fs::read_dir(here().join("../functions")).expect("the services");
    let services = services.map(|service| service.expect("a service").file_name());

    for service in services {
        let service = service.to_string_lossy();
        let depends = manifest.lines().any(|line| {
            line.strip_prefix(&*service)
                .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        });

        assert!(!depends, "common depends on {service}");
    }

    for path in sources(&here().join("src")) {
        let code = code(&path)
            .replace("tokio::task", "")
            .replace("std::task", "");
        let words = code.split(|c: char| !c.is_ascii_alphanumeric());
        let known = words.filter(|word| ["task", "tasks", "Task", "Tasks"].contains(word));

        assert_eq!(known.count(), 0, "{} mentions tasks", path.display());
    }
}
