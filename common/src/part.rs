//! Parts: what handlers use, such as a store or the issuer of tokens. Each declares its settings
//! and how it starts. Handlers name the parts that they use as arguments.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::config::{Environment, Setting, SettingError};
use crate::problem::Problem;
use crate::time::{Clock, SystemClock};

/// A value that is started once and then used by all requests. Clones share it.
pub trait Part: Clone + Send + Sync + 'static {
    /// The settings that it reads, including those of its own parts.
    fn settings() -> Vec<Setting>;

    /// Starts it.
    ///
    /// # Errors
    /// A setting cannot be used. Does not check whether a database answers: the first use will.
    fn start(starter: &Starter<'_>) -> impl Future<Output = Result<Self, StartError>>;
}

/// Starts each part once.
pub struct Starter<'e> {
    pub environment: Environment<'e>,
    /// The parts by type, each in a cell that is filled when it has started.
    parts: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

/// Why a part did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Permanent until the settings are fixed.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The value that a setting refers to cannot be read or used; the next request tries again.
    #[error("{}: {cause}", setting.name)]
    Referred {
        setting: Setting,
        /// The name of the event in the log.
        event: &'static str,
        cause: Unreadable,
    },
}

/// Why a value that a setting refers to cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Unreadable {
    /// Whether the place of the value is temporarily unavailable.
    pub is_temporary: bool,
    pub cause: String,
}

impl Unreadable {
    pub fn new(cause: impl Into<String>) -> Self {
        Self {
            is_temporary: false,
            cause: cause.into(),
        }
    }

    pub fn missing() -> Self {
        Self::new("there is nothing of this name")
    }

    /// The error of the setting that refers to it, with the name of its log event.
    pub fn of(self, setting: Setting, event: &'static str) -> StartError {
        StartError::Referred {
            setting,
            event,
            cause: self,
        }
    }
}

impl<'e> Starter<'e> {
    pub fn new(environment: Environment<'e>) -> Self {
        Self {
            environment,
            parts: Mutex::default(),
        }
    }

    /// Adds a part to use instead of starting one.
    #[must_use]
    pub fn with<P: Part>(self, part: P) -> Self {
        self.parts()
            .insert(TypeId::of::<P>(), Arc::new(OnceCell::new_with(Some(part))));
        self
    }

    /// The part of this type. The first call starts it; other calls wait.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn part<P: Part>(&self) -> Result<P, StartError> {
        let cell: Arc<OnceCell<P>> = {
            let mut parts = self.parts();
            let cell = parts
                .entry(TypeId::of::<P>())
                .or_insert_with(|| Arc::new(OnceCell::<P>::new()));
            // The cell of a type always contains that type.
            Arc::clone(cell).downcast().unwrap_or_default()
        };
        cell.get_or_try_init(|| P::start(self)).await.cloned()
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, HashMap<TypeId, Arc<dyn Any + Send + Sync>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StartError {
    /// Logs why this function cannot start.
    pub(crate) fn log(&self, function: &str) {
        let event = match self {
            Self::Setting(_) => "bad_setting",
            Self::Referred { event, .. } => event,
        };
        tracing::error!(function, cause = %self, "{event}");
    }
}

impl From<&StartError> for Problem {
    fn from(error: &StartError) -> Self {
        match error {
            StartError::Referred { cause, .. } if cause.is_temporary => {
                Self::unavailable(cause.to_string())
            }
            error => Self::internal(error.to_string()),
        }
    }
}

/// The part of arguments that are read only from the request.
impl Part for () {
    fn settings() -> Vec<Setting> {
        Vec::new()
    }

    async fn start(_: &Starter<'_>) -> Result<Self, StartError> {
        Ok(())
    }
}

/// The system's clock.
impl Part for Arc<dyn Clock> {
    fn settings() -> Vec<Setting> {
        Vec::new()
    }

    async fn start(_: &Starter<'_>) -> Result<Self, StartError> {
        Ok(Arc::new(SystemClock))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    static STARTS: AtomicU32 = AtomicU32::new(0);

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Greeting(String);

    impl Part for Greeting {
        fn settings() -> Vec<Setting> {
            vec![Setting::new("GREETING", "hello")]
        }

        async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
            STARTS.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Self(starter.environment.text(&Self::settings()[0])?))
        }
    }

    #[tokio::test]
    async fn a_part_that_is_requested_twice_at_once_starts_once() {
        let starter = Starter::new(Environment::new(&|_| None));

        let (one, other) = tokio::join!(starter.part::<Greeting>(), starter.part::<Greeting>());

        assert_eq!(one.expect("started"), Greeting("hello".to_owned()));
        assert_eq!(other.expect("started"), Greeting("hello".to_owned()));
        assert_eq!(STARTS.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_part_that_is_given_is_not_started() {
        let given = Greeting("good morning".to_owned());
        let starter = Starter::new(Environment::new(&|_| None)).with(given.clone());

        assert_eq!(starter.part::<Greeting>().await.expect("given"), given);
    }
}
