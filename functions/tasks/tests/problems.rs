//! The problem of an invalid request is small, however large the request is.

use common::fields::{Fields, parse_json};
use common::http::{Parameters, QueryFields};
use common::problem::Problem;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tasks::{TaskDraft, TaskParameters};

/// Larger than any problem, and less than a hundredth of API Gateway's limit.
const BOUND: usize = 20_000;

fn written(problem: &Problem) -> String {
    serde_json::to_string(&problem.body("0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55")).expect("JSON")
}

fn of_body(body: &[u8]) -> Option<Problem> {
    match parse_json(body) {
        Ok(Value::Object(members)) => Fields::read::<TaskDraft>(members)
            .err()
            .map(Problem::invalid_fields),
        Ok(_) => None,
        Err(error) => Some(Problem::malformed_body("", "").with_errors(vec![error])),
    }
}

fn of_query(query: &str) -> Option<Problem> {
    QueryFields::parse(query)
        .read(TaskParameters::read)
        .err()
        .map(Problem::malformed_parameter)
}

#[test]
fn a_deep_pointer_of_long_names_is_truncated() {
    let body = format!("{{{}", format!("\"{}\":{{", "n".repeat(2_000)).repeat(30));
    let problem = of_body(body.as_bytes()).expect("half a body");

    assert!(written(&problem).len() < 1_000, "{}", written(&problem));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_body_makes_a_large_problem(names in vec("[a-z]{1,3}|\\PC{0,200}|[\\x00-\\x20\"]{0,300}", 0..100), cut in 0..60_000_usize) {
        let members: Map<String, Value> = names.into_iter().map(|name| (name, json!(["", {}]))).collect();
        let body = Value::Object(members).to_string();

        for body in [body.as_bytes(), &body.as_bytes()[..cut.min(body.len())]] {
            if let Some(problem) = of_body(body) {
                prop_assert!(written(&problem).len() < BOUND, "{}", written(&problem));
            }
        }
    }

    #[test]
    fn no_query_makes_a_large_problem(pairs in vec("[a-z=%]{1,4}|(q|status|label|due_before|limit)=\\PC{0,300}|\\PC{0,300}|(%00){0,300}", 0..100)) {
        if let Some(problem) = of_query(&pairs.join("&")) {
            prop_assert!(written(&problem).len() < BOUND, "{}", written(&problem));
        }
    }
}
