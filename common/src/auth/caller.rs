//! Who calls: verified, or just somebody.

use std::net::IpAddr;

use super::sessions::SessionId;
use crate::problem::Problem;
use crate::users::{Role, UserId};

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
