//! One line a request: JSON for machines, with CloudWatch's embedded metrics in it, or text on a terminal.
//!
//! A line holds no body, no header, no query and no raw path, so that no password and no token can be in it; what
//! comes from outside at all is escaped (by JSON, or character by character in text).

use std::cell::RefCell;
use std::fmt::Write as _;
use std::future::Future;
use std::io::Write;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::time::Timestamp;

/// The namespace of the metrics in CloudWatch when nobody says.
const NAMESPACE: &str = "Tasklane";

/// How much is logged.
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

/// How lines are written.
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

/// Says how much is logged, how and where to; the first call counts. Before it, JSON goes to stdout.
pub fn init(level: Level, format: Format, sink: Box<dyn Write + Send>) {
    let _ = OUTPUT.set(Output { level, format, sink: Mutex::new(sink) });
}

static METRICS: OnceLock<String> = OnceLock::new();

/// Says in which namespace of CloudWatch requests are counted; the first call counts.
pub fn count_in(namespace: &str) {
    let _ = METRICS.set(namespace.to_owned());
}

/// Makes every panic one logged line, in place of the text on stderr. The message is left out: it may quote what
/// was being handled.
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
    store_calls: Vec<StoreCall>,
}

tokio::task_local! {
    static OBSERVED: RefCell<Observed>;
}

/// Runs the work of a request to this function and collects what is observed in it.
pub async fn observe<T>(function: &'static str, work: impl Future<Output = T>) -> (T, Observed) {
    OBSERVED
        .scope(RefCell::new(Observed { function, ..Observed::default() }), async {
            let value = work.await;
            (value, OBSERVED.with(RefCell::take))
        })
        .await
}

/// The function whose request is being answered; `None` outside of one.
pub fn current_function() -> Option<&'static str> {
    OBSERVED.try_with(|observed| observed.borrow().function).ok()
}

/// Notes who the caller is.
pub fn note_caller(caller: &impl ToString) {
    // Outside of a request, as when demo data is filled in, there is nobody to tell.
    let _ = OBSERVED.try_with(|observed| observed.borrow_mut().caller = Some(caller.to_string()));
}

/// Notes a call of the store.
pub fn note_store_call(operation: &'static str, duration: Duration) {
    let call = StoreCall { operation, duration_ms: milliseconds(duration) };
    let _ = OBSERVED.try_with(|observed| observed.borrow_mut().store_calls.push(call));
}

/// A request that has been answered.
pub struct Answered<'a> {
    /// The request's name.
    pub request_id: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// The method.
    pub method: &'a str,
    /// The endpoint's path, parameters unfilled.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
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
    Metric { name: "requests", unit: "Count" },
    Metric { name: "errors", unit: "Count" },
    Metric { name: "store_errors", unit: "Count" },
    Metric { name: "latency", unit: "Milliseconds" },
];

/// What a line says besides its metrics.
#[derive(Serialize)]
struct Details<'l> {
    time: String,
    level: &'static str,
    event: &'static str,
    request_id: &'l str,
    method: &'l str,
    route: &'l str,
    status: u16,
    caller: Option<&'l str>,
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

fn json_line(now: Timestamp, level: Level, request: &Answered<'_>, observed: &Observed, whole: bool) -> String {
    let details = || Details {
        time: now.to_string(),
        level: level.as_str(),
        event: "request",
        request_id: request.request_id,
        method: request.method,
        route: request.route,
        status: request.status,
        caller: observed.caller.as_deref(),
        store_calls: observed.store_calls.len(),
        store_ms: round(observed.store_calls.iter().fold(0.0, |sum, call| sum + call.duration_ms)),
        store: Some(observed.store_calls.as_slice()).filter(|_| enabled(Level::Debug)),
        problem: request.problem.as_ref().map(|(kind, cause)| LoggedProblem { problem: kind, cause: cause.as_deref() }),
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
        if observed.store_calls.len() == 1 { "" } else { "s" },
    );
    if let Some((kind, cause)) = &request.problem {
        let _ = write!(line, ", {kind}");
        if let Some(cause) = cause {
            let _ = write!(line, " ({})", cause.escape_debug());
        }
    }
    line
}

fn output() -> &'static Output {
    OUTPUT.get_or_init(|| Output { level: Level::Info, format: Format::Json, sink: Mutex::new(Box::new(std::io::stdout())) })
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
    // One write a line, so that the lines of requests answered at the same time do not mix. A log that cannot be
    // written must not stop the service.
    let mut sink = output().sink.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = sink.write_all(format!("{line}\n").as_bytes()).and_then(|()| sink.flush());
}
