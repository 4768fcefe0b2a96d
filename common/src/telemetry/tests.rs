//! What becomes a line, and what a line never contains.

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use serde_json::{Value, json};

use super::output::Output;
use super::subscriber::Lines;
use super::{Format, Level, foreign};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that are written while this runs.
fn written_at(level: Level, format: Format, what: impl FnOnce(&'static Output)) -> String {
    let written = Written::default();
    let output: &'static Output = Box::leak(Box::new(Output::new(
        level,
        format,
        Box::new(written.clone()),
    )));
    tracing::subscriber::with_default(Lines(move || output), || what(output));
    let bytes = written.0.lock().expect("the lines").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

fn lines(level: Level, what: impl FnOnce()) -> Vec<Value> {
    written_at(level, Format::Json, |_| what())
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Makes the SDK warn about a URL with a query, which it puts into a field.
fn make_the_sdk_warn() {
    let mut request = HttpRequest::empty();
    let set = request
        .uri_mut()
        .set_endpoint("http://localhost/?password=s3cret");
    assert!(set.is_ok());
}

#[test]
fn an_event_is_a_line_and_its_values_keep_their_types() {
    let absent: Option<&str> = None;
    let source: Option<IpAddr> = "127.0.0.1".parse().ok();

    let written = written_at(Level::Info, Format::Json, |_| {
        tracing::warn!(
            request_id = "1",
            xray_trace_id = absent,
            source = source.map(tracing::field::display),
            count = 3,
            rate = 0.5,
            is_last = true,
            cause = %std::fmt::Error,
            "unsupported_event"
        );
    });

    assert_eq!(
        written,
        concat!(
            r#"{"level":"warn","event":"unsupported_event","request_id":"1","xray_trace_id":null,"#,
            r#""source":"127.0.0.1","count":3,"rate":0.5,"is_last":true,"#,
            r#""cause":"an error occurred when formatting an argument"}"#,
            "\n"
        )
    );
}

#[test]
fn on_a_terminal_an_event_is_text() {
    let absent: Option<&str> = None;

    let written = written_at(Level::Info, Format::Text, |_| {
        tracing::info!(address = "127.0.0.1:3000", peers = 2, absent, "started");
    });

    assert_eq!(
        written,
        "INFO started address=\"127.0.0.1:3000\" peers=2 absent=null\n"
    );
}

#[test]
fn a_line_break_in_a_value_begins_no_line() {
    let forged = "x\n{\"level\":\"error\"}\r\u{85}\u{2028}\u{1b}[2K\"";

    for format in [Format::Json, Format::Text] {
        let written = written_at(Level::Info, format, |output| {
            tracing::warn!(cause = forged, why = %forged, "{forged}");
            foreign::print(output, Level::Warn, forged, Some(forged.to_owned()));
        });

        assert_eq!(written.lines().count(), 2, "{written}");
        assert!(!written.contains(['\r', '\u{1b}']), "{written:?}");
    }
}

#[test]
fn below_the_level_nothing_is_written() {
    for (level, wanted) in [
        (Level::Error, vec!["error"]),
        (Level::Warn, vec!["error", "warn"]),
        (Level::Info, vec!["error", "warn", "info"]),
        (Level::Debug, vec!["error", "warn", "info", "debug"]),
    ] {
        let lines = lines(level, || {
            tracing::error!("stopped");
            tracing::warn!("stopped");
            tracing::info!("stopped");
            tracing::debug!("stopped");
            tracing::trace!("stopped");
        });

        let written: Vec<&str> = lines.iter().filter_map(|l| l["level"].as_str()).collect();
        assert_eq!(written, wanted);
    }
}

#[test]
fn a_warning_of_the_sdk_is_a_line_without_its_fields() {
    let lines = lines(Level::Info, make_the_sdk_warn);

    assert_eq!(
        lines,
        [json!({
            "level": "warn",
            "event": "library",
            "target": "aws_smithy_runtime_api::http::request",
            "message": "query specified in endpoint will be ignored during endpoint resolution"
        })]
    );
}

#[test]
fn a_warning_of_the_sdk_is_not_written_where_only_errors_are() {
    assert_eq!(lines(Level::Error, make_the_sdk_warn), [Value::Null; 0]);
}

#[test]
fn fields_of_spans_are_never_written() {
    let written = written_at(Level::Debug, Format::Json, |_| {
        let span = tracing::error_span!("Lambda runtime invoke", password = "s3cret");
        span.in_scope(|| {
            make_the_sdk_warn();
            tracing::error!("stopped");
        });
    });

    assert_eq!(written.lines().count(), 2);
    assert!(
        !written.contains("s3cret") && !written.contains("invoke"),
        "{written}"
    );
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let written = written_at(Level::Info, Format::Json, |output| {
        foreign::print(output, Level::Warn, "rustls", Some("é".repeat(301)));
    });

    let line: Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(line["message"], "é".repeat(300));
}

#[cfg(feature = "mongodb")]
#[test]
fn messages_of_rustls_follow_the_same_rules() {
    for (level, target, is_written) in [
        (log::Level::Error, "rustls::common_state", true),
        (log::Level::Warn, "rustls::common_state", true),
        (log::Level::Info, "rustls::common_state", false),
        (log::Level::Debug, "rustls::common_state", false),
        (log::Level::Error, "aws_runtime::env_config", false),
    ] {
        let written = written_at(Level::Info, Format::Json, |output| {
            super::log_facade::print(
                output,
                &log::Record::builder()
                    .level(level)
                    .target(target)
                    .args(format_args!("TLS alert warning received"))
                    .build(),
            );
        });

        assert_eq!(!written.is_empty(), is_written, "{level} {target}");
        assert!(!is_written || written.contains(r#""event":"library""#));
    }
}
