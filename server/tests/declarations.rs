//! What is declared in several places is the same in each: template, API document, sample events,
//! settings.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;
use common::auth::{PublicKeys, Verifier};
use common::dynamodb::LOCAL_ACCESS_KEY;
use common::http::Method;
use common::time::{Clock, SystemClock};
use server::SERVICES;
use server::arguments::Arguments;
use server::router::{CORS_EXPOSED, CORS_HEADERS, CORS_MAX_AGE, CORS_METHODS};

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file))
        .expect(file)
}

#[test]
fn the_published_document_matches_the_declarations() {
    assert!(
        system::OPENAPI == server::openapi(),
        "run: cargo run -- openapi > functions/system/openapi.json"
    );
}

#[test]
fn the_template_routes_every_endpoint_and_nothing_else() {
    let mut declared = BTreeSet::new();
    for endpoint in SERVICES.iter().flat_map(|service| service.endpoints.iter()) {
        match endpoint.method {
            Method::Any => {}
            Method::Get => {
                declared.insert(format!("GET {}", endpoint.path));
                declared.insert(format!("HEAD {}", endpoint.path));
            }
            method => {
                declared.insert(format!("{} {}", method.as_str(), endpoint.path));
            }
        }
    }
    let template = read("template.yaml");
    let word_after = |line: &str, key: &str| {
        let (_, rest) = line.split_once(key)?;
        rest.split_whitespace()
            .next()
            .map(|word| word.trim_matches([',', '"']).to_owned())
    };
    let routes = template.lines().filter_map(|line| {
        Some(format!(
            "{} {}",
            word_after(line, "Method: ")?,
            word_after(line, "Path: ")?
        ))
    });
    let routed: BTreeSet<String> = routes.collect();

    assert_eq!(routed, declared);
}

#[test]
fn every_endpoint_has_a_function_and_a_sample_event_of_its_name() {
    let template = read("template.yaml");

    for endpoint in SERVICES.iter().flat_map(|service| service.endpoints.iter()) {
        let event: serde_json::Value =
            serde_json::from_str(&read(&format!("events/{}.json", endpoint.name)))
                .expect(endpoint.name);
        assert_eq!(event["version"], "2.0", "{}", endpoint.name);

        let binary = format!("Binary: {}\n", endpoint.name);
        assert!(
            template.contains(&binary)
                || template.contains(&format!("Binary: {} }}", endpoint.name)),
            "{}",
            endpoint.name
        );
    }
}

#[test]
fn the_gateway_and_the_server_have_the_same_cors_rules() {
    let template = read("template.yaml");

    for (key, values) in [
        ("AllowMethods", CORS_METHODS.as_slice()),
        ("AllowHeaders", &CORS_HEADERS),
        ("ExposeHeaders", &CORS_EXPOSED),
    ] {
        assert!(
            template.contains(&format!("          {key}: [{}]\n", values.join(", "))),
            "{key}"
        );
    }

    assert!(template.contains(&format!("          MaxAge: {CORS_MAX_AGE}\n")));
}

/// The rows of the README's table of settings: the names in the first cell, and the whole row.
fn documented_settings(readme: &str) -> Vec<(Vec<&str>, &str)> {
    let (_, section) = readme.split_once("\n## Settings\n").expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        (
            row.split(" | ")
                .next()
                .unwrap_or_default()
                .split('`')
                .collect(),
            row,
        )
    })
    .collect()
}

#[test]
fn every_setting_is_in_the_readme_with_its_default() {
    let readme = read("README.md");
    let rows = documented_settings(&readme);

    for setting in server::settings() {
        let row = rows.iter().find(|(names, _)| names.contains(&setting.name));
        let (_, row) = row.expect(setting.name);

        if let Some(default) = setting.default.filter(|default| !default.is_empty()) {
            assert!(row.contains(&format!("| `{default}` |")), "{row}");
        }
    }
}

#[test]
fn the_readme_and_the_template_have_no_unknown_setting() {
    let command = Arguments::command();
    let of_arguments = command
        .get_arguments()
        .filter_map(|argument| argument.get_env()?.to_str());
    let mut known: BTreeSet<&str> = of_arguments.collect();
    known.extend(server::settings().iter().map(|setting| setting.name));

    let readme = read("README.md");
    let documented = documented_settings(&readme);
    let documented = documented
        .iter()
        .flat_map(|(names, _)| names.iter().copied());
    let template = read("template.yaml");
    let set = template
        .lines()
        .filter_map(|line| line.trim().split_once(':').map(|(name, _)| name));
    let is_setting = |name: &&str| {
        name.starts_with("TASKLANE_") || name.starts_with("AWS_") || *name == "DATABASE_URL"
    };

    let named: BTreeSet<&str> = documented.chain(set).filter(is_setting).collect();

    assert!(named.len() >= 40, "{}", named.len());
    assert_eq!(
        named.difference(&known).collect::<Vec<_>>(),
        Vec::<&&str>::new()
    );
}

#[test]
fn the_job_that_deploys_compiles_nothing_and_the_one_that_compiles_has_no_credentials() {
    let workflow = read(".github/workflows/deploy.yml");

    let (build, deploy) = workflow.split_once("\n  deploy:\n").expect("a job");
    assert!(
        build.contains("sam build")
            && !build.contains("id-token")
            && !build.contains("environment: production"),
        "{build}"
    );

    for compiles in ["sam build", "cargo", "requirements.txt ", "rustup"] {
        assert!(!deploy.contains(compiles), "{compiles}");
    }

    let (before, after) = deploy
        .split_once("configure-aws-credentials")
        .expect("a step");
    assert!(
        before.contains("sha256sum --check") && !after.contains("install"),
        "what was handed over is what was built"
    );
}

#[test]
fn the_gateway_and_the_functions_log_the_same_request_id() {
    let template = read("template.yaml");

    for (ours, gateways) in [
        ("request_id", "$context.requestId"),
        ("integration_request_id", "$context.integration.requestId"),
    ] {
        assert!(
            template.contains(&format!("\"{ours}\":\"{gateways}\"")),
            "{ours}"
        );
    }
}

#[test]
fn every_setting_of_the_server_is_in_the_readme_with_the_default_of_its_argument() {
    let readme = read("README.md");
    let command = Arguments::command();

    let settings: Vec<_> = command
        .get_arguments()
        .filter(|argument| argument.get_env().is_some())
        .collect();

    assert!(settings.len() >= 14, "{}", settings.len());

    for setting in settings {
        let name = setting
            .get_env()
            .and_then(|name| name.to_str())
            .expect("a name");
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
            .expect(name);

        for default in setting
            .get_default_values()
            .iter()
            .filter_map(|default| default.to_str())
            .filter(|default| !default.is_empty())
        {
            assert!(row.contains(&format!("| `{default}` |")), "{row}");
        }
    }
}

#[test]
fn the_sample_settings_have_the_access_key_that_the_engine_takes() {
    let settings: serde_json::Value = serde_json::from_str(&read("events/env.json")).expect("JSON");
    let url = settings["Parameters"]["DATABASE_URL"]
        .as_str()
        .expect("a URL");

    assert!(
        url.starts_with(&format!("dynamodb://{LOCAL_ACCESS_KEY}@")),
        "{url}"
    );
}

#[test]
fn the_sample_keys_verify_the_sample_tokens_at_any_time() {
    let settings: serde_json::Value = serde_json::from_str(&read("events/env.json")).expect("JSON");
    let keys = PublicKeys::parse(
        settings["Parameters"]["TASKLANE_PUBLIC_KEYS"]
            .as_str()
            .expect("keys"),
    )
    .expect("keys");
    let event: serde_json::Value = serde_json::from_str(&read("events/get-me.json")).expect("JSON");
    let token = event["headers"]["authorization"]
        .as_str()
        .and_then(|value| value.strip_prefix("Bearer "))
        .expect("a token");
    let verify = |keys: &PublicKeys| {
        Verifier::new(keys, "tasklane", "tasklane")
            .expect("keys")
            .verify(token, SystemClock.now())
            .map(drop)
    };

    assert_eq!(verify(&keys), Ok(()));
    assert!(
        verify(&PublicKeys {
            max_token_lifetime: None,
            ..keys
        })
        .is_err(),
        "no other key set takes tokens that live so long"
    );
}
