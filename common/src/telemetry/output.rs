//! Where lines go, how they look, and how much is written.

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

/// What a function writes before it has read its settings.
static DEFAULT: LazyLock<Output> =
    LazyLock::new(|| Output::new(Level::Info, Format::Json, Box::new(std::io::stdout())));

/// The first call counts.
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

    /// Writes the line of an event. What its texts contain is escaped, so that no line break in
    /// them begins a line of its own.
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
        // One write a line, so that the lines of requests answered at the same time do not mix. A
        // log that cannot be written must not stop the service.
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| sink.flush());
    }
}
