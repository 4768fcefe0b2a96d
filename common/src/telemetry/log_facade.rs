//! Writes the events of rustls and the MongoDB driver by the same rules: they use `log`, not
//! `tracing`.

use log::{LevelFilter, Log, Metadata, Record};

use super::output::{self, Output};
use super::{Level, foreign};

struct Lines;

pub(super) fn subscribe() {
    // Only a test sets another logger.
    let _ = log::set_logger(&Lines);
    log::set_max_level(match output::current().level {
        Level::Error => LevelFilter::Error,
        Level::Warn | Level::Info => LevelFilter::Warn,
        Level::Debug => LevelFilter::Info,
    });
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level_of(output::current(), metadata).is_some()
    }

    fn log(&self, record: &Record<'_>) {
        print(output::current(), record);
    }

    fn flush(&self) {}
}

/// The level of an event that is written; `None` if it is not.
fn level_of(output: &Output, metadata: &Metadata<'_>) -> Option<Level> {
    let level = match metadata.level() {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug | log::Level::Trace => return None,
    };
    foreign::is_written(output.level, level, metadata.target()).then_some(level)
}

pub(super) fn print(output: &Output, record: &Record<'_>) {
    if let Some(level) = level_of(output, record.metadata()) {
        let message = record.args().to_string();
        foreign::print(output, level, record.target(), Some(message));
    }
}
