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
mod model;
mod passwords;
mod properties;
mod refresh;
mod search;
mod servers;
mod sessions;
mod tasks;
mod text;
mod trash;

use std::pin::Pin;

use ::auth::{Counters, Users};
use ::tasks::Tasks;
use common::time::Timestamp;

pub use copies::{COPIES, CopyCase, Ends};
pub use servers::{Made, PATIENCE, Server};

/// One store, empty, and the time at which the case begins.
#[derive(Clone)]
pub struct Store {
    pub(crate) users: Users,
    pub(crate) counters: Counters,
    pub(crate) tasks: Tasks,
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
