//! Writes `tracing` events: ours with all their fields, those of other crates as `foreign` allows.
//! Spans are never enabled, so their fields are never written.

use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::output::Output;
use super::{Level, foreign};

/// Asks for the output at each event: it may be chosen after the first events.
pub(super) struct Lines<O>(pub(super) O);

impl<O> Subscriber for Lines<O>
where
    O: Fn() -> &'static Output + Send + Sync + 'static,
{
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let Some(level) = Level::of(*metadata.level()).filter(|_| metadata.is_event()) else {
            return false;
        };
        if foreign::is_ours(metadata.file()) {
            (self.0)().writes(level)
        } else {
            foreign::is_written((self.0)().level, level, metadata.target())
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match (self.0)().level {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let Some(level) = Level::of(*metadata.level()) else {
            return;
        };
        if foreign::is_ours(metadata.file()) {
            let mut ours = Ours::default();
            event.record(&mut ours);
            let (name, fields) = ours.finish(metadata);
            (self.0)().print_event(level, &name, fields);
        } else {
            let mut foreign = Foreign::default();
            event.record(&mut foreign);
            foreign::print((self.0)(), level, metadata.target(), foreign.message);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The field of an event's text in `tracing`.
const MESSAGE: &str = "message";

#[derive(Default)]
struct Ours {
    name: String,
    recorded: Map<String, Value>,
}

impl Ours {
    /// The event's name and its declared fields. An absent option was not recorded, so it becomes
    /// null.
    fn finish(mut self, metadata: &Metadata<'_>) -> (String, Map<String, Value>) {
        let declared = metadata.fields().iter().map(|field| field.name());
        let fields = declared
            .filter(|name| *name != MESSAGE)
            .map(|name| {
                let value = self.recorded.remove(name).unwrap_or_default();
                (name.to_owned(), value)
            })
            .collect();
        (self.name, fields)
    }

    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        self.recorded.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Ours {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value);
    }

    /// Also called for values that are logged with `%`.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == MESSAGE {
            self.name = text;
        } else {
            self.keep(field, text);
        }
    }
}

/// Only the message of another crate's event.
#[derive(Default)]
struct Foreign {
    message: Option<String>,
}

impl Visit for Foreign {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.message = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == MESSAGE {
            self.message = Some(format!("{value:?}"));
        }
    }
}
