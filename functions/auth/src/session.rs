//! Sessions: each login starts one; rotating its refresh token keeps it alive (RFC 9700, section
//! 4.14.2).

use std::time::Duration;

use common::auth::{
    ACCESS_TOKEN_LIFETIME, Client, Issuer, RefreshToken, Role, SessionId, SessionLifetimes, UserId,
};
use common::fields::{Body, Faults, Field, fault};
use common::problem::Problem;
use common::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Account;

/// How long the previous refresh token still gets the same successor: two tabs that refresh at the
/// same time are not a theft. After this time, a client that never received the answer gets a new
/// successor, and the earlier successor becomes void.
pub const GRACE: Duration = Duration::from_secs(30);

/// The largest number of live sessions of an account. When a further one starts, the least recently
/// used one ends.
pub const MAX_SESSIONS: usize = 100;

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    /// The generation of the current refresh token, increased with each token that is issued.
    pub generation: u32,
    /// The generation of the token that was exchanged for the current one; `None` if there was
    /// none.
    pub previous: Option<u32>,
    /// The account's epoch when the session started; it has ended if the account's epoch is higher.
    pub epoch: u32,
    /// When it started.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_used_at: Timestamp,
    /// When it expires unless it is refreshed; never after [`Session::ends_at`].
    pub expires_at: Timestamp,
    /// When it ends in any case.
    pub ends_at: Timestamp,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
}

/// The result of presenting a refresh token.
#[derive(Clone, Debug)]
pub enum Rotation {
    /// It was exchanged: the session has the next generation. The role is the account's.
    Rotated(Session, Role),
    /// It was exchanged for the current one within the grace time: the session is unchanged.
    Repeated(Session, Role),
    /// It is void or older. Somebody has a copy of it, so the session was ended.
    Stolen,
    /// The session has ended or never existed.
    Ended,
}

/// The meaning of a refresh token that did not rotate the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was exchanged for the current one, within the grace time.
    Repeated,
    /// It is void or older.
    Reused,
    /// The session has ended.
    Ended,
}

/// The body of a token refresh.
#[derive(Body, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh_token: RefreshTokenText,
}

/// What a client sends as a refresh token: 1 to 1000 characters.
#[derive(JsonSchema)]
#[schemars(inline)]
pub struct RefreshTokenText(#[schemars(length(min = 1, max = 1000))] String);

impl RefreshTokenText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for RefreshTokenText {
    fn read(value: Value) -> Result<Self, Faults> {
        let text = String::read(value)?;
        match text.chars().count() {
            1..=1000 => Ok(Self(text)),
            length => Err(fault(format!(
                "must have 1 to 1000 characters, has {length}"
            ))),
        }
    }
}

/// Tokens.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tokens {
    /// The access token, sent as `Authorization: Bearer ...`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schemars(extend("const" = "Bearer"))]
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// The refresh token: it can be exchanged for new tokens once.
    pub refresh_token: String,
    /// Seconds until the refresh token expires.
    pub refresh_expires_in: u64,
}

/// A session as its owner sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct SessionView {
    /// The identifier of the session.
    pub id: SessionId,
    /// Whether it is the session of this request.
    pub current: bool,
    /// When it started.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_used_at: Timestamp,
    /// When it expires unless it is refreshed.
    pub expires_at: Timestamp,
    /// The client's User-Agent.
    pub user_agent: Option<String>,
}

impl Session {
    pub fn start(
        account: &Account,
        client: &Client,
        lifetimes: SessionLifetimes,
        now: Timestamp,
    ) -> Self {
        let ends_at = now.plus(lifetimes.absolute);
        Self {
            id: SessionId::new(now),
            user: account.id,
            generation: 0,
            previous: None,
            epoch: account.epoch,
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(lifetimes.idle).earlier_of(ends_at),
            ends_at,
            user_agent: client.user_agent.clone(),
        }
    }

    /// Whether a token of this generation rotates the session: as its current token, or as its
    /// previous token after the grace time.
    pub fn takes(&self, generation: u32, now: Timestamp) -> bool {
        let is_late_repetition =
            self.previous == Some(generation) && self.last_used_at < now.minus(GRACE);
        self.expires_at > now && (generation == self.generation || is_late_repetition)
    }

    /// The meaning of a token of this generation, which did not rotate the session.
    pub fn verdict(&self, generation: u32, now: Timestamp) -> Verdict {
        if self.expires_at <= now || generation >= self.generation {
            Verdict::Ended
        } else if self.previous == Some(generation) {
            Verdict::Repeated
        } else {
            Verdict::Reused
        }
    }

    /// The session with its idle expiry limited by its absolute expiry. In the store every refresh
    /// moves the idle expiry, possibly past the absolute one.
    #[must_use]
    pub(crate) fn within_its_lifetime(self) -> Self {
        Self {
            expires_at: self.expires_at.earlier_of(self.ends_at),
            ..self
        }
    }

    /// The tokens of the session's current generation.
    ///
    /// # Errors
    /// 500 when a token cannot be serialized, which would be a bug.
    pub fn tokens(&self, issuer: &Issuer, role: Role, now: Timestamp) -> Result<Tokens, Problem> {
        let refresh_token = RefreshToken {
            user: self.user,
            session: self.id,
            generation: self.generation,
        };
        Ok(Tokens {
            access_token: issuer
                .issue(self.user, self.id, role, now)
                .map_err(Problem::internal)?,
            token_type: "Bearer",
            expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
            refresh_token: refresh_token.seal(issuer),
            refresh_expires_in: u64::try_from(self.expires_at.as_second() - now.as_second())
                .unwrap_or(0),
        })
    }

    /// The session as its owner sees it.
    pub fn view(self, current: SessionId) -> SessionView {
        SessionView {
            id: self.id,
            current: self.id == current,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.expires_at,
            user_agent: self.user_agent,
        }
    }
}
