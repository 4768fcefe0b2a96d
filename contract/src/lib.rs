//! The contracts of the services' stores: cases that a store must pass on every database. Each
//! service keeps its cases in its own folder; `server/tests/contract` runs all of them.
//!
//! A case gets its own empty database, and panics if a promise is broken.

pub mod fixtures;
mod properties;

use std::pin::Pin;

use common::database::Database;
use common::schema::Table;
use common::time::Timestamp;
pub use properties::{Tried, check};
// Crates for writing cases, so that a service needs only this crate for them.
pub use {futures_util, proptest, tokio};

/// An empty database, and the start time of the case.
#[derive(Clone)]
pub struct Ground {
    pub database: Database,
    /// The tables of the services, each with its setting.
    pub tables: Vec<(&'static str, Table)>,
    /// The same database over a client that loses the answer to every write once, if possible.
    pub losing_answers: Option<Database>,
    /// Later than the server's own clock, so that the server sweeps nothing that the case still
    /// needs; in whole seconds.
    pub now: Timestamp,
}

impl Ground {
    /// The name of the table of this setting.
    ///
    /// # Panics
    /// No service has such a setting.
    pub fn table(&self, setting: &str) -> &str {
        let table = self.tables.iter().find(|(name, _)| *name == setting);
        table
            .map(|(_, table)| table.name.as_str())
            .expect("a service's table")
    }
}

/// One promise, or a few related ones.
pub struct Case {
    pub module: &'static str,
    pub name: &'static str,
    /// Whether it makes many calls at the same time.
    pub racing: bool,
    /// Panics if the store breaks the promise.
    pub run: fn(&Ground) -> Pin<Box<dyn Future<Output = ()>>>,
}

impl Case {
    /// The topic and the name of the case.
    pub fn name(&self) -> String {
        let topic = self.module.rsplit("::").next().unwrap_or_default();
        format!("{topic}::{}", self.name)
    }
}

/// Lists the cases of a module, racing ones last. Each takes a `Store`, which is created from a
/// [`Ground`].
#[macro_export]
macro_rules! cases {
    ($($name:ident),+ $(,)? $(; racing: $($racing:ident),+ $(,)?)?) => {
        pub(super) const CASES: &[$crate::Case] = &[
            $($crate::case!($name, false),)+
            $($($crate::case!($racing, true),)+)?
        ];
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! case {
    ($name:ident, $racing:literal) => {
        $crate::Case {
            module: module_path!(),
            name: stringify!($name),
            racing: $racing,
            run: |ground| Box::pin($name(Store::from(ground))),
        }
    };
}
