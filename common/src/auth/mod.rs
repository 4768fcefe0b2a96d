//! Authentication of callers: keys, access tokens, refresh tokens, passwords, and limits on what
//! can be guessed or flooded.

mod access_token;
mod admission;
mod caller;
mod hashing;
mod keys;
mod known_tokens;
mod limits;
mod parts;
mod passwords;
mod pseudonym;
mod refresh_token;
mod source;

pub use access_token::{ACCESS_TOKEN_LIFETIME, AccessClaims, Issuer, Verifier};
pub use caller::{Caller, CallerLimit, CallerLimiter, Client, Role, SessionId, UserId};
pub use keys::{KeyError, OVERLAP, PublicKeys, SigningKeys};
pub use limits::{Attempt, Check, Counts, KnownSource, Limit, Limiter, Rate, Subject};
pub use parts::{KEYS_TABLE, SessionLifetimes};
pub use passwords::{
    Hasher, NewPassword, Password, PasswordHash, PasswordSettings, Passwords, Verified,
};
pub use refresh_token::RefreshToken;
pub use source::source_network;
