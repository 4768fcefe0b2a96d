//! Accounts and sessions: authentication of users, and their tokens.

mod account;
#[cfg(feature = "contract")]
pub mod contract;
pub mod endpoints;
mod limits;
mod live_session;
mod problems;
mod representations;
mod session;
pub mod store;

use common::http::Service;

pub use account::{
    Account, Credentials, Email, Name, NamePatch, PasswordChange, Registration, SignedIn, User,
};
pub use limits::{Limit, Limiter};
pub use live_session::LiveSession;
pub use session::{
    GRACE, MAX_SESSIONS, RefreshRequest, Rotation, Session, SessionView, Tokens, Verdict,
};
pub use store::{Counters, PasswordUpdate, STORAGE, UserStore, Users};

/// The order of sessions in cursors, oldest first.
pub const SESSION_ORDER: &str = "sessions";

pub const SERVICE: Service = Service {
    name: "auth",
    summary: "Accounts and sessions: register, log in, and manage both.",
    endpoints: endpoints::ENDPOINTS,
    storage: Some(&STORAGE),
};
