//! Who calls: verified, or just somebody.

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
    /// Its own things.
    User,
    /// Also what the service's operators do.
    Admin,
}

/// Who calls, as a valid access token says. Only verifying a token makes one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Caller {
    pub user: UserId,
    /// The session that the token belongs to.
    pub session: SessionId,
    /// What the account may do.
    pub role: Role,
}

/// A limit on the requests of one caller, kept by the process that answers them.
pub trait CallerLimit: Send + Sync {
    /// Counts a request of this caller.
    ///
    /// # Errors
    /// 429 when the caller has sent too many.
    fn count(&self, caller: &Caller) -> Result<(), Problem>;
}

/// The limit on the requests of each caller. Lambda has none: there the gateway throttles.
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

/// Who sent a request, verified or not: what limits count by and sessions remember.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address that the request came from.
    pub source: IpAddr,
    /// What the client calls itself, shortened and cleaned, for the owner's list of sessions.
    pub user_agent: Option<String>,
}

/// How much of a `User-Agent` is kept, in characters.
const USER_AGENT: usize = 200;

impl Client {
    /// The client at this address that calls itself this.
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
