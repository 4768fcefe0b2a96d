//! What a store promises, in one place: cases that every store must pass, whichever it is.
//!
//! A case is given an empty store of its own and panics where a promise is broken. `cargo test -p
//! contract` runs all of them on the embedded engine, and on the servers that the environment
//! names: see [`Server::in_environment`].

/// Lists the cases of a module, those that race last.
macro_rules! cases {
    ($($name:ident),+ $(,)? $(; racing: $($racing:ident),+ $(,)?)?) => {
        pub(crate) const CASES: &[crate::Case] = &[
            $(case!($name, false),)+
            $($(case!($racing, true),)+)?
        ];
    };
}

macro_rules! case {
    ($name:ident, $racing:literal) => {
        crate::Case {
            module: module_path!(),
            name: stringify!($name),
            racing: $racing,
            run: |store| Box::pin($name(store)),
        }
    };
}

mod accounts;
mod copies;
mod counters;
mod fixtures;
mod histories;
mod keys;
mod lists;
mod lost_answers;
mod model;
mod passwords;
mod properties;
mod records;
mod refresh;
mod search;
mod servers;
mod sessions;
mod tasks;
mod text;
mod trash;

use std::pin::Pin;
use std::sync::Arc;

use common::auth::CounterStore;
use common::records::RecordStore;
use common::tasks::TaskStore;
use common::time::Timestamp;
use common::users::UserStore;

pub use copies::{COPIES, CopyCase, Ends};
pub use servers::{Made, PATIENCE, Server};

/// One store, empty, and the time at which the case begins.
#[derive(Clone)]
pub struct Store {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) counters: Arc<dyn CounterStore>,
    pub(crate) tasks: Arc<dyn TaskStore>,
    pub(crate) records: Arc<dyn RecordStore>,
    /// The same records, over a client that loses the answer to every write once, where one can be
    /// made.
    pub(crate) losing_answers: Option<Arc<dyn RecordStore>>,
    /// Whether a transaction of records is made as a whole.
    pub(crate) transactions: bool,
    /// Later than the server's own clock, so that it sweeps nothing away that the case still needs;
    /// whole seconds.
    pub(crate) now: Timestamp,
}

/// One promise, or a few that belong together.
pub struct Case {
    module: &'static str,
    name: &'static str,
    /// Whether it makes many calls at the same moment.
    pub racing: bool,
    /// Panics where the store breaks the promise.
    pub run: fn(Store) -> Pin<Box<dyn Future<Output = ()>>>,
}

impl Case {
    /// What it is about, and what it shows.
    pub fn name(&self) -> String {
        let topic = self.module.rsplit("::").next().unwrap_or_default();
        format!("{topic}::{}", self.name)
    }
}

pub fn cases() -> impl Iterator<Item = &'static Case> {
    let modules = [
        accounts::CASES,
        sessions::CASES,
        passwords::CASES,
        refresh::CASES,
        counters::CASES,
        records::CASES,
        tasks::CASES,
        trash::CASES,
        keys::CASES,
        lists::CASES,
        search::CASES,
        text::CASES,
        histories::CASES,
    ];
    modules.into_iter().flatten()
}
