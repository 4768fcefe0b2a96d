use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn unavailable(invocation: &Invocation) -> (Answered<'_>, Observed) {
    let request = Answered {
        request_id: "request-1",
        invocation: Some(invocation),
        traceparent: Some(PARENT),
        source: IpAddr::from([192, 0, 2, 7]),
        function: "create-task",
        method: "POST",
        route: "/v1/tasks",
        status: 503,
        duration: Duration::from_micros(12_345),
        problem: Some((
            "unavailable".to_owned(),
            Some("PutItem:\n\"slow\"".to_owned()),
        )),
    };
    let observed = Observed {
        function: "create-task",
        caller: Some("user-1".to_owned()),
        session: Some("session-1".to_owned()),
        account: None,
        store_calls: vec![StoreCall {
            operation: "PutItem",
            duration_ms: 9.5,
        }],
    };
    (request, observed)
}

fn at() -> Timestamp {
    "2026-03-01T10:20:30.456Z".parse().expect("a timestamp")
}

#[test]
fn a_line_has_its_fields_and_metrics() {
    let invocation = Invocation::new("lambda-1".to_owned(), Some("Root=1-2-3;Sampled=1"));
    let (request, observed) = unavailable(&invocation);

    let line = json_line(at(), Level::Error, &request, &observed, Level::Debug);

    assert_eq!(
        line,
        concat!(
            r#"{"function":"create-task","requests":1,"errors":1,"store_errors":1,"#,
            r#""latency":12.345,"_aws":{"Timestamp":1772360430456,"CloudWatchMetrics":[{"#,
            r#""Namespace":"Tasklane","Dimensions":[["function"],[]],"Metrics":["#,
            r#"{"Name":"requests","Unit":"Count"},{"Name":"errors","Unit":"Count"},"#,
            r#"{"Name":"store_errors","Unit":"Count"},"#,
            r#"{"Name":"latency","Unit":"Milliseconds"}]}]},"#,
            r#""time":"2026-03-01T10:20:30.456Z","level":"error","event":"request","#,
            r#""request_id":"request-1","lambda_request_id":"lambda-1","#,
            r#""xray_trace_id":"1-2-3","#,
            r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#,
            r#""source":"192.0.2.7","method":"POST","route":"/v1/tasks","status":503,"#,
            r#""caller":"user-1","session":"session-1","store_calls":1,"store_ms":9.5,"#,
            r#""store":[{"operation":"PutItem","duration_ms":9.5}],"#,
            r#""problem":"unavailable","cause":"PutItem:\n\"slow\""}"#
        )
    );
}

#[test]
fn below_the_level_a_line_has_its_metrics_only() {
    let invocation = Invocation::default();
    let (mut request, observed) = unavailable(&invocation);
    request.status = 200;

    let line = json_line(at(), Level::Info, &request, &observed, Level::Warn);

    assert!(line.starts_with(r#"{"function":"create-task","requests":1,"errors":0"#));
    assert!(
        !line.contains("request-1") && !line.contains("time"),
        "{line}"
    );
}

#[test]
fn on_a_terminal_a_line_is_short() {
    let invocation = Invocation::default();
    let (request, observed) = unavailable(&invocation);

    assert_eq!(
        text_line(at(), &request, &observed),
        concat!(
            "10:20:30.456 503 POST /v1/tasks 12.3 ms create-task, 1 store call, ",
            r#"from 192.0.2.7, unavailable (PutItem:\n\"slow\")"#
        )
    );
}
