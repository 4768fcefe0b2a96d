//! Parts: what handlers work with, such as a store or the issuer of tokens. Each says which
//! settings it reads and how it starts, and a handler names those that it uses as arguments.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::config::{Environment, Setting, SettingError};
use crate::problem::Problem;
use crate::time::{Clock, SystemClock};

/// Something that is started once and then used by any number of requests. Clones share it.
pub trait Part: Clone + Send + Sync + 'static {
    /// The settings that it reads, those of the parts that it is made of included.
    fn settings() -> Vec<Setting>;

    /// Starts it.
    ///
    /// # Errors
    /// A setting cannot be used. Whether a database answers is found out by using it.
    fn start(starter: &Starter<'_>) -> impl Future<Output = Result<Self, StartError>>;
}

/// Starts parts, each once.
pub struct Starter<'e> {
    pub environment: Environment<'e>,
    /// By type, each in a cell that is filled once it has started.
    parts: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

/// Why a part did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Permanent until the settings are fixed.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// What a setting refers to cannot be read or used; the next request may find it otherwise.
    #[error("{}: {cause}", setting.name)]
    Referred {
        setting: Setting,
        /// What the log calls it.
        event: &'static str,
        cause: Unreadable,
    },
}

/// What is wrong with a value that is kept elsewhere than in its setting.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Unreadable {
    /// Whether the place where it is kept is out of reach, for now.
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

    /// The error of the setting that refers to it, and what the log calls it.
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

    /// Gives a part that is used in place of the one that would be started.
    #[must_use]
    pub fn with<P: Part>(self, part: P) -> Self {
        self.parts()
            .insert(TypeId::of::<P>(), Arc::new(OnceCell::new_with(Some(part))));
        self
    }

    /// The part of this type. Whoever asks for it first starts it, and others wait.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn part<P: Part>(&self) -> Result<P, StartError> {
        let cell: Arc<OnceCell<P>> = {
            let mut parts = self.parts();
            let cell = parts
                .entry(TypeId::of::<P>())
                .or_insert_with(|| Arc::new(OnceCell::<P>::new()));
            // What is filed under a type is a cell of that type.
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

/// Nothing: the part of an argument that is read from the request alone.
impl Part for () {
    fn settings() -> Vec<Setting> {
        Vec::new()
    }

    async fn start(_: &Starter<'_>) -> Result<Self, StartError> {
        Ok(())
    }
}

/// The machine's clock.
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
    async fn a_part_that_two_ask_for_at_once_starts_once() {
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
