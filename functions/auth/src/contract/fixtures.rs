//! Accounts and sessions that are not stored yet.

use std::net::Ipv4Addr;
use std::time::Duration;

use common::auth::{Client, PasswordHash, SessionId, SessionLifetimes, UserId};
use common::time::Timestamp;
use contract::fixtures::identifier;

use crate::{Account, Email, Name, Session};

/// How long sessions live by default.
pub const LIFETIMES: SessionLifetimes = SessionLifetimes {
    idle: Duration::from_hours(24),
    absolute: Duration::from_hours(10 * 24),
};

/// The outcome of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// The session has the next generation.
    Rotated(Session),
    /// The session is unchanged.
    Repeated(Session),
    /// The session has been ended: the token was an old one.
    Stolen,
    Ended,
}

pub fn email(text: &str) -> Email {
    text.to_owned().try_into().expect("a valid address")
}

pub fn name(text: &str) -> Name {
    text.to_owned().try_into().expect("a valid name")
}

/// A hash that contains this text. No store parses it.
pub fn hash(text: &str) -> PasswordHash {
    serde_json::from_value(format!("$argon2id$v=19$m=19456,t=2,p=1${text}").into()).expect("a text")
}

/// An account that is not stored yet.
pub fn account(address: &str, now: Timestamp) -> Account {
    Account {
        id: UserId::from_uuid(identifier(now)),
        ..Account::new(email(address), Some(name("Ada")), hash("first"), now)
    }
}

/// A session that is not stored yet.
pub fn session(account: &Account, lifetimes: SessionLifetimes, now: Timestamp) -> Session {
    let client = Client::new(Ipv4Addr::LOCALHOST.into(), Some("contract"));
    Session {
        id: SessionId::from_uuid(identifier(now)),
        ..Session::start(account, &client, lifetimes, now)
    }
}
