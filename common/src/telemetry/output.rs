//! The output, format and level of the log.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value, json};

use super::{Format, Level};

pub(super) struct Output {
    pub(super) level: Level,
    pub(super) format: Format,
    sink: Mutex<Box<dyn Write + Send>>,
}

static CHOSEN: OnceLock<Output> = OnceLock::new();

/// The output of a function before it has read its settings.
static DEFAULT: LazyLock<Output> =
    LazyLock::new(|| Output::new(Level::Info, Format::Json, Box::new(std::io::stdout())));

/// Only the first call has an effect.
pub(super) fn choose(output: Output) {
    let _ = CHOSEN.set(output);
}

pub(super) fn current() -> &'static Output {
    CHOSEN.get().unwrap_or_else(|| &DEFAULT)
}

impl Output {
    pub(super) fn new(level: Level, format: Format, sink: Box<dyn Write + Send>) -> Self {
        Self {
            level,
            format,
            sink: Mutex::new(sink),
        }
    }

    pub(super) fn writes(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Writes the line of an event. Texts are escaped, so that a line break in them does not start
    /// a new line.
    pub(super) fn print_event(&self, level: Level, name: &str, fields: Map<String, Value>) {
        let line = match self.format {
            Format::Json => {
                let mut line = json!({"level": level.as_str(), "event": name});
                for (key, value) in fields {
                    line[key] = value;
                }
                line.to_string()
            }
            Format::Text => {
                let mut line = format!("{} {}", level.as_str().to_uppercase(), name.escape_debug());
                for (key, value) in &fields {
                    let _ = match value {
                        Value::String(text) => write!(line, " {key}={text:?}"),
                        value => write!(line, " {key}={value}"),
                    };
                }
                line
            }
        };
        self.print(&line);
    }

    pub(super) fn print(&self, line: &str) {
        // One write per line, so that lines of simultaneous requests do not mix. A failing log must
        // not stop the service.
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| sink.flush());
    }
}
