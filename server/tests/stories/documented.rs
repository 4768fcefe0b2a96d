//! Checks every response of every story against the API document.

use reqwest::Method;
use serde_json::Value;

use crate::client::Answer;

/// Checks that the document lists the status for this call, and that an error is a problem.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    if status >= 400 {
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{method} {path}: {status}"
        );
        // A HEAD response has no body.
        for member in ["type", "title", "status", "detail", "request_id"] {
            assert!(
                *method == Method::HEAD || !answer.body[member].is_null(),
                "{method} {path}: no {member} in {:?}",
                answer.body
            );
        }
    }
    let document: Value = serde_json::from_str(system::OPENAPI).expect("JSON");
    let method = if *method == Method::HEAD {
        "get".to_owned()
    } else {
        method.as_str().to_lowercase()
    };
    let covers = |template: &str| {
        let wanted = template.split('/');
        let given = path.split('/');
        wanted.clone().count() == given.clone().count()
            && wanted.zip(given).all(|(wanted, given)| {
                wanted == given || (wanted.starts_with('{') && !given.is_empty())
            })
    };
    let paths = document["paths"].as_object().expect("paths");
    let Some(operation) = paths
        .iter()
        .find(|(template, _)| covers(template))
        .and_then(|(_, methods)| methods.get(&method))
    else {
        return;
    };
    let responses = operation["responses"].as_object().expect("responses");
    assert!(
        responses.contains_key(&status.to_string()),
        "{method} {path} answers {status}, which is not documented: {:?}",
        answer.body
    );
}
