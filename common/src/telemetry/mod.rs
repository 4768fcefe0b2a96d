//! One line a request: JSON for machines, with CloudWatch's embedded metrics in it, or text on a
//! terminal. And one line for each event of `tracing`: ours are logged with its macros, the
//! message being the event's name, as in `tracing::error!(cause = %error, "unreadable_task")`; of
//! those of other crates see `foreign`.
//!
//! A line holds no body, no header, no query and no raw path, so that no password and no token can
//! be in it; what comes from outside at all is escaped (by JSON, or character by character in
//! text). The one exception is `traceparent`, when it is one. An email address is only in it as a
//! keyed digest.

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
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Says how much is logged, how and where to; the first call counts.
pub fn init(level: Level, format: Format, sink: Box<dyn Write + Send>) {
    output::choose(Output::new(level, format, sink));
    subscribe();
}

/// Writes events from now on: until `init`, as JSON and at info to stdout. A function calls it
/// first, because its settings say how to log, and may be wrong.
pub fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        // There may be another subscriber only in a test.
        let _ = tracing::subscriber::set_global_default(Lines(output::current));
    });
    // The level may be another than before.
    tracing_core::callsite::rebuild_interest_cache();
    #[cfg(feature = "mongodb")]
    log_facade::subscribe();
}

/// Makes every panic one logged line, in place of the text on stderr. The message is left out: it
/// may quote what was being handled.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1000.0)
}

/// To the microsecond: more digits would only be noise in every line.
fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}
