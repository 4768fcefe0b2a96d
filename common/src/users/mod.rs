//! Accounts: their types and rules, and the store they need.

mod account;
mod store;

pub use account::{
    Account, Credentials, Email, Name, NamePatch, PasswordChange, Registration, Role, SignedIn,
    User, UserId,
};
pub use store::{PasswordUpdate, UserStore};

/// The sessions' only order in cursors: the oldest first.
pub const SESSION_ORDER: &str = "sessions";
