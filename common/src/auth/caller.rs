//! The caller of a request, verified or not.

use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Setting;
use crate::id;
use crate::part::{Part, StartError, Starter};
use crate::problem::Problem;

id! {
    /// The identifier of an account, a UUIDv7.
    UserId
}

id! {
    /// The identifier of a session, a UUIDv7.
    SessionId
}

/// The role of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An ordinary account.
    User,
    /// An operator of the service.
    Admin,
}

/// The verified caller, from the claims of a valid access token. Only token verification creates
/// one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Caller {
    pub user: UserId,
    pub session: SessionId,
    pub role: Role,
}

/// A limit on the requests of one caller, counted in the process that answers them.
pub trait CallerLimit: Send + Sync {
    /// Counts a request of this caller.
    ///
    /// # Errors
    /// 429 when the caller has sent too many.
    fn count(&self, caller: &Caller) -> Result<(), Problem>;
}

/// The limit on the requests of each caller. On Lambda there is none: API Gateway throttles.
#[derive(Clone, Default)]
pub struct CallerLimiter(Option<Arc<dyn CallerLimit>>);

impl CallerLimiter {
    pub fn new(limit: impl CallerLimit + 'static) -> Self {
        Self(Some(Arc::new(limit)))
    }

    /// Counts a request of this caller.
    ///
    /// # Errors
    /// 429 when the caller has sent too many.
    pub fn count(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.as_ref().map_or(Ok(()), |limit| limit.count(caller))
    }
}

impl Part for CallerLimiter {
    fn settings() -> Vec<Setting> {
        Vec::new()
    }

    async fn start(_: &Starter<'_>) -> Result<Self, StartError> {
        Ok(Self::default())
    }
}

/// The client that sent a request, verified or not. Limits count by it, and sessions store it.
#[derive(Clone, Debug)]
pub struct Client {
    pub source: IpAddr,
    /// The client's `User-Agent`, shortened and without control characters, for the list of
    /// sessions.
    pub user_agent: Option<String>,
}

/// The longest stored `User-Agent`, in characters.
const USER_AGENT: usize = 200;

impl Client {
    pub fn new(source: IpAddr, user_agent: Option<&str>) -> Self {
        let clean = |text: &str| {
            text.chars()
                .filter(|c| !c.is_control())
                .take(USER_AGENT)
                .collect()
        };
        Self {
            source,
            user_agent: user_agent.map(clean),
        }
    }
}
