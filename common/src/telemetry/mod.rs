//! One line per request: JSON for machines, including CloudWatch's embedded metrics, or text on a
//! terminal. And one line per `tracing` event. We log events with its macros, with the event's name
//! as the message: `tracing::error!(cause = %error, "unreadable_task")`. For events of other crates
//! see `foreign`.
//!
//! A line contains no body, no header, no query and no raw path, so it can contain no password and
//! no token. Everything else that comes from outside is escaped (by JSON, or character by character
//! in text). The only exception is a valid `traceparent`. Email addresses appear only as a keyed
//! digest.

mod foreign;
#[cfg(feature = "mongodb")]
mod log_facade;
mod metrics;
mod observed;
mod output;
mod request_line;
mod subscriber;
#[cfg(test)]
mod tests;
mod trace_context;

use std::io::Write;
use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

use self::output::Output;
use self::subscriber::Lines;

pub use self::metrics::count_in;
pub use self::observed::{
    Observed, StoreCall, current_function, note_account, note_caller, note_store_call, observe,
};
pub use self::request_line::{Answered, answered};
pub use self::trace_context::{Invocation, traceparent};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Faults of the service.
    Error,
    /// Also events that need attention: stolen tokens, refused attempts.
    Warn,
    /// Also every request.
    Info,
    /// Also each store call.
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

    /// `None` for traces, which are never written.
    fn of(level: tracing::Level) -> Option<Self> {
        match level {
            tracing::Level::ERROR => Some(Self::Error),
            tracing::Level::WARN => Some(Self::Warn),
            tracing::Level::INFO => Some(Self::Info),
            tracing::Level::DEBUG => Some(Self::Debug),
            tracing::Level::TRACE => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Sets level, format and output of the log. Only the first call has an effect.
pub fn init(level: Level, format: Format, sink: Box<dyn Write + Send>) {
    output::choose(Output::new(level, format, sink));
    subscribe();
}

/// Starts writing events: until `init`, as JSON at level info to stdout. A function calls this
/// first, because its logging settings may be invalid.
pub fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        // Only a test has another subscriber.
        let _ = tracing::subscriber::set_global_default(Lines(output::current));
    });
    // The level may have changed.
    tracing_core::callsite::rebuild_interest_cache();
    #[cfg(feature = "mongodb")]
    log_facade::subscribe();
}

/// Logs every panic as one line, instead of the text on stderr. The message is left out: it may
/// quote the data that was being handled.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1000.0)
}

/// Rounds to microseconds: more digits would be noise.
fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}
