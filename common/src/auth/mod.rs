//! Who is calling, and how they prove it: passwords, access tokens, sessions and their refresh
//! tokens, rate limits.

mod access_token;
mod admission;
mod caller;
mod hashing;
mod keys;
mod known_tokens;
mod limits;
mod passwords;
mod pseudonym;
mod refresh_token;
mod sessions;
mod source;

pub use access_token::{AccessClaims, Issuer, Verifier};
pub use caller::{Caller, CallerLimit, Client};
pub use keys::{KeyError, OVERLAP, PublicKeys, SigningKeys};
pub use limits::{
    Attempt, Check, CounterStore, KnownSource, Limit, Limiter, Limits, Rate, Subject,
};
pub use passwords::{
    Hasher, NewPassword, Password, PasswordHash, PasswordSettings, Passwords, Verified,
};
pub use refresh_token::RefreshToken;
pub(crate) use sessions::Refused;
pub use sessions::{
    GRACE, LiveSession, MAX_SESSIONS, RefreshRequest, Rotation, Session, SessionId,
    SessionLifetimes, SessionView, Tokens,
};
pub use source::source_network;
