//! One line a request: JSON for machines, with CloudWatch's embedded metrics in it, or text on a
//! terminal.
//!
//! A line holds no body, no header, no query and no raw path, so that no password and no token can
//! be in it; what comes from outside at all is escaped (by JSON, or character by character in
//! text). The one exception is `traceparent`, when it is one. An email address is only in it as a
//! keyed digest.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::future::Future;
use std::io::Write;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::time::Timestamp;

/// The default namespace of the metrics in CloudWatch.
const NAMESPACE: &str = "Tasklane";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What went wrong on our side.
    Error,
    /// Also what somebody should look at: thefts of tokens, refused attempts.
    Warn,
    /// Also every request.
    Info,
    /// Also each call of the store.
    Debug,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" => Ok(Self::Debug),
            _ => Err("must be error, warn, info or debug".to_owned()),
        }
    }
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

struct Output {
    level: Level,
    format: Format,
    sink: Mutex<Box<dyn Write + Send>>,
}

static OUTPUT: OnceLock<Output> = OnceLock::new();

/// Says how much is logged, how and where to; the first call counts. Before it, JSON goes to
/// stdout.
pub fn init(level: Level, format: Format, sink: Box<dyn Write + Send>) {
    let _ = OUTPUT.set(Output {
        level,
        format,
        sink: Mutex::new(sink),
    });
}

static METRICS: OnceLock<String> = OnceLock::new();

/// Says in which namespace of CloudWatch requests are counted; the first call counts.
pub fn count_in(namespace: &str) {
    let _ = METRICS.set(namespace.to_owned());
}

/// Makes every panic one logged line, in place of the text on stderr. The message is left out: it
/// may quote what was being handled.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        event(Level::Error, "panic", &[("place", json!(place))]);
    }));
}

/// One call of a store.
#[derive(Clone, Debug, Serialize)]
pub struct StoreCall {
    /// The operation, such as `PutItem`.
    pub operation: &'static str,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// What is learnt about a request while it is answered.
#[derive(Debug, Default)]
pub struct Observed {
    function: &'static str,
    caller: Option<String>,
    session: Option<String>,
    account: Option<String>,
    store_calls: Vec<StoreCall>,
}

tokio::task_local! {
    static OBSERVED: RefCell<Observed>;
}

/// Runs the work of a request to this function and collects what is observed in it.
pub async fn observe<T>(function: &'static str, work: impl Future<Output = T>) -> (T, Observed) {
    OBSERVED
        .scope(
            RefCell::new(Observed {
                function,
                ..Observed::default()
            }),
            async {
                let value = work.await;
                (value, OBSERVED.with(RefCell::take))
            },
        )
        .await
}

/// The function whose request is being answered; `None` outside of one.
pub fn current_function() -> Option<&'static str> {
    OBSERVED
        .try_with(|observed| observed.borrow().function)
        .ok()
}

/// Notes who the caller is, and in which session.
pub fn note_caller(user: &impl ToString, session: &impl ToString) {
    note(|observed| {
        (observed.caller, observed.session) = (Some(user.to_string()), Some(session.to_string()))
    });
}

/// Notes which account is asked for by somebody who is not signed in: a digest of its address,
/// never the address.
pub fn note_account(digest: String) {
    note(|observed| observed.account = Some(digest));
}

fn note(what: impl FnOnce(&mut Observed)) {
    // Outside of a request, as when demo data is filled in, there is nobody to tell.
    let _ = OBSERVED.try_with(|observed| what(&mut observed.borrow_mut()));
}

/// Notes a call of the store.
pub fn note_store_call(operation: &'static str, duration: Duration) {
    let call = StoreCall {
        operation,
        duration_ms: milliseconds(duration),
    };
    note(|observed| observed.store_calls.push(call));
}

/// What Lambda calls the work on a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's own name for it, which the gateway's log has as `integration_request_id`.
    pub request_id: String,
    /// The trace that X-Ray files it under.
    pub xray_trace_id: Option<String>,
}

impl Invocation {
    /// `tracing` is the header that Lambda gives: `Root=1-...;Parent=...;Sampled=1`.
    pub fn new(request_id: String, tracing: Option<&str>) -> Self {
        let root = tracing.and_then(|header| {
            header
                .split(';')
                .find_map(|part| part.trim().strip_prefix("Root="))
        });
        Self {
            request_id,
            xray_trace_id: root.map(str::to_owned),
        }
    }
}

/// A `traceparent`, if it is one that names a trace
/// (https://www.w3.org/TR/trace-context/#traceparent-header). Of later versions, what the first one
/// knows.
pub fn traceparent(header: &str) -> Option<&str> {
    let (first, rest) = header.split_at_checked(55)?;
    let parts: Vec<&str> = first.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else {
        return None;
    };
    let is_hex = |text: &str, length| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_name = |text: &str, length| is_hex(text, length) && text.bytes().any(|b| b != b'0');
    let known = is_hex(version, 2) && is_name(trace, 32) && is_name(parent, 16) && is_hex(flags, 2);
    let ends = if *version == "00" {
        rest.is_empty()
    } else {
        rest.is_empty() || rest.starts_with('-')
    };
    (known && *version != "ff" && ends).then_some(first)
}

/// A request that has been answered.
pub struct Answered<'a> {
    pub request_id: &'a str,
    /// What Lambda calls it; `None` in the server.
    pub invocation: Option<&'a Invocation>,
    /// The trace that the client says it belongs to.
    pub traceparent: Option<&'a str>,
    pub source: IpAddr,
    pub function: &'a str,
    pub method: &'a str,
    /// The endpoint's path, parameters unfilled.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    pub duration: Duration,
    /// The problem's type and, for the log only, its causes.
    pub problem: Option<(String, Option<String>)>,
}

/// Logs an answered request and counts it.
pub fn answered(now: Timestamp, request: &Answered<'_>, observed: &Observed) {
    let level = match request.status {
        500.. => Level::Error,
        401 | 429 => Level::Warn,
        _ => Level::Info,
    };
    match output().format {
        Format::Text if enabled(level) => print(&text_line(now, request, observed)),
        Format::Text => {}
        // Metrics are counted whatever the level is: an alarm must not depend on it.
        Format::Json => print(&json_line(now, level, request, observed, enabled(level))),
    }
}

/// Logs something other than a request: a start, a stop, a theft.
pub fn event(level: Level, name: &str, details: &[(&str, Value)]) {
    if !enabled(level) {
        return;
    }
    let line = match output().format {
        Format::Json => {
            let mut line = json!({"level": level.as_str(), "event": name});
            for (key, value) in details {
                line[*key] = value.clone();
            }
            line.to_string()
        }
        Format::Text => {
            let mut line = format!("{} {name}", level.as_str().to_uppercase());
            for (key, value) in details {
                let _ = write!(line, " {key}={value}");
            }
            line
        }
    };
    print(&line);
}

/// A request's line. Its metrics are in CloudWatch's embedded metric format.
/// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
#[derive(Serialize)]
struct Line<'l> {
    function: &'l str,
    requests: u8,
    errors: u8,
    /// What a store that is down, slow, throttling or full is answered with.
    store_errors: u8,
    latency: f64,
    #[serde(rename = "_aws")]
    metrics: Metrics<'l>,
    #[serde(flatten)]
    details: Option<Details<'l>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics<'l> {
    timestamp: i64,
    cloud_watch_metrics: [MetricSet<'l>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricSet<'l> {
    namespace: &'l str,
    dimensions: [&'static [&'static str]; 2],
    metrics: [Metric; 4],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

const METRICS_OF_A_REQUEST: [Metric; 4] = [
    Metric {
        name: "requests",
        unit: "Count",
    },
    Metric {
        name: "errors",
        unit: "Count",
    },
    Metric {
        name: "store_errors",
        unit: "Count",
    },
    Metric {
        name: "latency",
        unit: "Milliseconds",
    },
];

/// What a line says besides its metrics.
#[derive(Serialize)]
struct Details<'l> {
    time: String,
    level: &'static str,
    event: &'static str,
    request_id: &'l str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lambda_request_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xray_trace_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'l str>,
    source: IpAddr,
    method: &'l str,
    route: &'l str,
    status: u16,
    caller: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'l str>,
    store_calls: usize,
    store_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'l [StoreCall]>,
    #[serde(flatten)]
    problem: Option<LoggedProblem<'l>>,
}

#[derive(Serialize)]
struct LoggedProblem<'l> {
    problem: &'l str,
    cause: Option<&'l str>,
}

fn json_line(
    now: Timestamp,
    level: Level,
    request: &Answered<'_>,
    observed: &Observed,
    whole: bool,
) -> String {
    let details = || Details {
        time: now.to_string(),
        level: level.as_str(),
        event: "request",
        request_id: request.request_id,
        lambda_request_id: request
            .invocation
            .map(|invocation| invocation.request_id.as_str()),
        xray_trace_id: request
            .invocation
            .and_then(|invocation| invocation.xray_trace_id.as_deref()),
        traceparent: request.traceparent,
        source: request.source,
        method: request.method,
        route: request.route,
        status: request.status,
        caller: observed.caller.as_deref(),
        session: observed.session.as_deref(),
        account: observed.account.as_deref(),
        store_calls: observed.store_calls.len(),
        store_ms: round(
            observed
                .store_calls
                .iter()
                .fold(0.0, |sum, call| sum + call.duration_ms),
        ),
        store: Some(observed.store_calls.as_slice()).filter(|_| enabled(Level::Debug)),
        problem: request.problem.as_ref().map(|(kind, cause)| LoggedProblem {
            problem: kind,
            cause: cause.as_deref(),
        }),
    };
    let line = Line {
        function: request.function,
        requests: 1,
        errors: u8::from(request.status >= 500),
        store_errors: u8::from(matches!(request.status, 503 | 507)),
        latency: milliseconds(request.duration),
        metrics: Metrics {
            timestamp: now.as_millisecond(),
            cloud_watch_metrics: [MetricSet {
                namespace: METRICS.get().map_or(NAMESPACE, String::as_str),
                // By function for who looks, and all together for alarms.
                dimensions: [&["function"], &[]],
                metrics: METRICS_OF_A_REQUEST,
            }],
        },
        details: whole.then(details),
    };
    // Numbers and texts can always be written.
    serde_json::to_string(&line).unwrap_or_default()
}

fn text_line(now: Timestamp, request: &Answered<'_>, observed: &Observed) -> String {
    let time = now.to_string();
    let mut line = format!(
        "{} {} {:>6} {} {:.1} ms {}, {} store call{}",
        time.get(11..23).unwrap_or(&time),
        request.status,
        request.method.escape_debug(),
        request.route,
        milliseconds(request.duration),
        request.function,
        observed.store_calls.len(),
        if observed.store_calls.len() == 1 {
            ""
        } else {
            "s"
        },
    );
    if let Some((kind, cause)) = &request.problem {
        let _ = write!(line, ", from {}, {kind}", request.source);
        if let Some(cause) = cause {
            let _ = write!(line, " ({})", cause.escape_debug());
        }
    }
    line
}

fn output() -> &'static Output {
    OUTPUT.get_or_init(|| Output {
        level: Level::Info,
        format: Format::Json,
        sink: Mutex::new(Box::new(std::io::stdout())),
    })
}

fn enabled(level: Level) -> bool {
    level <= output().level
}

fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1000.0)
}

/// To the microsecond: more digits would only be noise in every line.
fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

fn print(line: &str) {
    // One write a line, so that the lines of requests answered at the same time do not mix. A log
    // that cannot be written must not stop the service.
    let mut sink = output().sink.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = sink
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| sink.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_logged_only_if_it_is_one() {
        assert_eq!(traceparent(PARENT), Some(PARENT));
        let later = PARENT.replacen("00", "01", 1);
        assert_eq!(
            traceparent(&format!("{later}-more")),
            Some(later.as_str()),
            "of a later version, what is known of it"
        );
        for bad in [
            "",
            "password=s3cret",
            &PARENT.to_uppercase(),
            &format!("{PARENT}-more"),
            &format!("{later}more"),
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace('-', "_"),
            &"é".repeat(40),
        ] {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }

    #[test]
    fn of_what_lambda_says_about_tracing_the_trace_is_logged() {
        let root = |header| Invocation::new("1".to_owned(), header).xray_trace_id;
        assert_eq!(
            root(Some(
                "Root=1-6968b398-6d912bb8af77191319e83f82;Parent=53995c3f42cd8ad8;Sampled=1"
            ))
            .as_deref(),
            Some("1-6968b398-6d912bb8af77191319e83f82")
        );
        assert_eq!(root(Some("Sampled=0")), None);
        assert_eq!(root(None), None);
    }
}
