//! A request's line, with its metrics.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::metrics::Metrics;
use super::observed::{Observed, StoreCall};
use super::output;
use super::trace_context::Invocation;
use super::{Format, Level, milliseconds, round};
use crate::time::Timestamp;

/// A request that has been answered.
pub struct Answered<'a> {
    pub request_id: &'a str,
    /// The Lambda invocation; `None` in the server.
    pub invocation: Option<&'a Invocation>,
    /// The trace of the client.
    pub traceparent: Option<&'a str>,
    pub source: IpAddr,
    pub function: &'a str,
    pub method: &'a str,
    /// The endpoint's path with its parameters' names.
    pub route: &'a str,
    pub status: u16,
    pub duration: Duration,
    /// The problem's type, and its causes, which are only for the log.
    pub problem: Option<(String, Option<String>)>,
}

/// Logs an answered request and counts it in the metrics.
pub fn answered(now: Timestamp, request: &Answered<'_>, observed: &Observed) {
    let level = match request.status {
        500.. => Level::Error,
        401 | 429 => Level::Warn,
        _ => Level::Info,
    };
    let output = output::current();
    match output.format {
        Format::Text if output.writes(level) => output.print(&text_line(now, request, observed)),
        Format::Text => {}
        // Metrics are written at every level: an alarm must not depend on it.
        Format::Json => output.print(&json_line(now, level, request, observed, output.level)),
    }
}

#[derive(Serialize)]
struct Line<'l> {
    function: &'l str,
    requests: u8,
    errors: u8,
    /// Answers because of a store that is down, slow, throttling or full.
    store_errors: u8,
    latency: f64,
    #[serde(rename = "_aws")]
    metrics: Metrics<'l>,
    #[serde(flatten)]
    details: Option<Details<'l>>,
}

/// The contents of a line besides its metrics.
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
    wanted: Level,
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
        store: Some(observed.store_calls.as_slice()).filter(|_| wanted == Level::Debug),
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
        metrics: Metrics::at(now),
        details: (level <= wanted).then(details),
    };
    // Numbers and texts can always be serialized.
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
