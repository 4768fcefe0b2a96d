//! How services show what their stores promise: cases that every store must pass, whichever database
//! it is on. A service keeps its cases in its own folder; `server/tests/contract` runs them all.
//!
//! A case is given an empty database of its own and panics where a promise is broken.

pub mod fixtures;
mod properties;

use std::pin::Pin;

use common::database::Database;
use common::schema::Table;
use common::time::Timestamp;
pub use properties::{Tried, check};
// What cases are written with, so that a service needs this crate alone for them.
pub use {futures_util, proptest, tokio};

/// An empty database, and the time at which the case begins.
#[derive(Clone)]
pub struct Ground {
    pub database: Database,
    /// The tables of the services, each with the setting that names it.
    pub tables: Vec<(&'static str, Table)>,
    /// The same over a client that loses the answer to every write once, where one can be made.
    pub losing_answers: Option<Database>,
    /// Later than the server's own clock, so that it sweeps nothing away that the case still needs;
    /// whole seconds.
    pub now: Timestamp,
}

impl Ground {
    /// The name of the table that this setting names.
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

/// One promise, or a few that belong together.
pub struct Case {
    pub module: &'static str,
    pub name: &'static str,
    /// Whether it makes many calls at the same moment.
    pub racing: bool,
    /// Panics where the store breaks the promise.
    pub run: fn(&Ground) -> Pin<Box<dyn Future<Output = ()>>>,
}

impl Case {
    /// What it is about, and what it shows.
    pub fn name(&self) -> String {
        let topic = self.module.rsplit("::").next().unwrap_or_default();
        format!("{topic}::{}", self.name)
    }
}

/// Lists the cases of a module, those that race last. Each takes a `Store`, which is made of the
/// ground.
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
