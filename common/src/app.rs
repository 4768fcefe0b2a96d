//! The [`App`]: what a handler is given. Settings, stores, keys, clock: made once, at start.

use std::sync::Arc;

use crate::auth::{
    Caller, CallerLimit, CounterStore, Issuer, KeyError, Limiter, Limits, Passwords, PublicKeys,
    SessionLifetimes, Verifier,
};
use crate::config::{SettingError, Settings};
use crate::http::{Endpoint, FromApp, Part};
use crate::problem::Problem;
use crate::store::Stores;
use crate::tasks::TaskStore;
use crate::time::{Clock, SystemClock};
use crate::users::UserStore;

/// What handlers work with. A function has only the parts that its endpoint names.
#[derive(Clone)]
pub struct App {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    pub limits: Limits,
    pub lifetimes: SessionLifetimes,
    passwords: Option<Arc<Passwords>>,
    users: Option<Arc<dyn UserStore>>,
    counters: Option<Arc<dyn CounterStore>>,
    tasks: Option<Arc<dyn TaskStore>>,
    verifier: Option<Arc<Verifier>>,
    public_keys: Option<Arc<PublicKeys>>,
    issuer: Option<Arc<Issuer>>,
    caller_limit: Option<Arc<dyn CallerLimit>>,
}

impl App {
    /// Makes the parts that the settings are there for.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn new(settings: &Settings, stores: Stores) -> Result<Self, SettingError> {
        let (issuer, audience) = (
            settings.token_issuer.as_str(),
            settings.token_audience.as_str(),
        );
        let verifier = settings
            .public_keys
            .as_ref()
            .map(|keys| Verifier::new(keys, issuer, audience))
            .transpose();
        let sessions = settings.lifetimes.absolute;
        let signer = settings
            .signing_keys
            .as_ref()
            .map(|keys| Ok(Issuer::new(keys, issuer, audience)?.with_sessions_of(sessions)));
        let signer: Result<Option<Issuer>, KeyError> = signer.transpose();
        let passwords = stores
            .users
            .is_some()
            .then(|| Passwords::new(settings.passwords))
            .transpose();
        Ok(Self {
            clock: Arc::new(SystemClock),
            limits: settings.limits,
            lifetimes: settings.lifetimes,
            passwords: passwords
                .map_err(|error| {
                    SettingError::new("TASKLANE_PASSWORD_MEMORY_KIB", error.to_string())
                })?
                .map(Arc::new),
            users: stores.users,
            counters: stores.counters,
            tasks: stores.tasks,
            verifier: verifier
                .map_err(|error| SettingError::new("TASKLANE_PUBLIC_KEYS", error.to_string()))?
                .map(Arc::new),
            public_keys: settings.public_keys.clone().map(Arc::new),
            issuer: signer
                .map_err(|error| SettingError::new("TASKLANE_SIGNING_KEYS", error.to_string()))?
                .map(Arc::new),
            caller_limit: None,
        })
    }

    /// The app with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The app with a limit on the requests of each caller. Lambda has none: there the gateway
    /// throttles.
    #[must_use]
    pub fn with_caller_limit(mut self, limit: Arc<dyn CallerLimit>) -> Self {
        self.caller_limit = Some(limit);
        self
    }

    /// Lets a verified caller's request pass.
    ///
    /// # Errors
    /// 429 when the caller has sent too many.
    pub fn admit(&self, caller: &Caller) -> Result<(), Problem> {
        self.caller_limit
            .as_ref()
            .map_or(Ok(()), |limit| limit.count(caller))
    }

    /// The app as this endpoint's own function has it, so that the server finds out what a function
    /// would lack.
    #[must_use]
    pub fn for_endpoint(&self, endpoint: &Endpoint) -> Self {
        let mut app = self.clone();
        if !endpoint.needs(Part::Users) {
            (app.users, app.counters, app.passwords) = (None, None, None);
        }
        if !endpoint.needs(Part::Tasks) {
            app.tasks = None;
        }
        if !endpoint.needs(Part::PublicKeys) {
            (app.verifier, app.public_keys) = (None, None);
        }
        if !endpoint.needs(Part::SigningKeys) {
            app.issuer = None;
        }
        app
    }

    /// Accounts and sessions.
    ///
    /// # Errors
    /// 500 when the endpoint does not name [`Part::Users`].
    pub fn users(&self) -> Result<&dyn UserStore, Problem> {
        self.users.as_deref().ok_or_else(|| missing("users table"))
    }

    /// Passwords.
    ///
    /// # Errors
    /// 500 when the endpoint does not name [`Part::Users`].
    pub fn passwords(&self) -> Result<&Passwords, Problem> {
        self.passwords
            .as_deref()
            .ok_or_else(|| missing("users table"))
    }

    /// Tasks.
    ///
    /// # Errors
    /// 500 when the endpoint does not name [`Part::Tasks`].
    pub fn tasks(&self) -> Result<&dyn TaskStore, Problem> {
        self.tasks.as_deref().ok_or_else(|| missing("tasks table"))
    }

    /// What verifies access tokens.
    ///
    /// # Errors
    /// 500 when the endpoint has not access `user` and does not name [`Part::PublicKeys`].
    pub fn verifier(&self) -> Result<&Verifier, Problem> {
        self.verifier
            .as_deref()
            .ok_or_else(|| missing("public keys"))
    }
}

/// Accounts and sessions, as a handler's argument.
pub type Users = Arc<dyn UserStore>;
/// Tasks, as a handler's argument.
pub type Tasks = Arc<dyn TaskStore>;

/// Makes a field of the app something that handlers can use.
macro_rules! part {
    ($type:ty, $part:ident, $field:ident, $called:literal) => {
        impl FromApp for $type {
            fn needs(part: Part) -> bool {
                part == Part::$part
            }

            fn from_app(app: &App) -> Result<Self, Problem> {
                app.$field.clone().ok_or_else(|| missing($called))
            }
        }
    };
}

part!(Users, Users, users, "users table");
part!(Tasks, Tasks, tasks, "tasks table");
part!(Arc<Passwords>, Users, passwords, "users table");
part!(Arc<PublicKeys>, PublicKeys, public_keys, "public keys");
part!(Arc<Issuer>, SigningKeys, issuer, "signing keys");

impl FromApp for Limiter {
    fn needs(part: Part) -> bool {
        part == Part::Users
    }

    fn from_app(app: &App) -> Result<Self, Problem> {
        let counters = app.counters.clone().ok_or_else(|| missing("users table"))?;
        Ok(Self::new(app.limits, counters, Arc::clone(&app.clock)))
    }
}

impl FromApp for SessionLifetimes {
    fn needs(_: Part) -> bool {
        false
    }

    fn from_app(app: &App) -> Result<Self, Problem> {
        Ok(app.lifetimes)
    }
}

/// A defect in an endpoint's declaration: it fails closed.
fn missing(part: &str) -> Problem {
    Problem::internal(format!("this function was started without the {part}"))
}
