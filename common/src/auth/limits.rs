//! Rate limits for what can be guessed or flooded, kept in the store so that they hold across all environments.
//!
//! A limit counts attempts in fixed windows. An attempt is counted *before* it is made and given back when it turns
//! out well, so that no number of simultaneous guesses gets past the limit, and owners who know their password never
//! reach it. What a stranger can use up is only what strangers use: a session refreshes by limits of its own.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;

use crate::app::App;
use crate::problem::{Problem, StoreError, seconds_until};
use crate::time::Timestamp;

/// The fields of draft-ietf-httpapi-ratelimit-headers.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// So many attempts in so much time: `10/15m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many attempts.
    pub count: u32,
    /// In which time.
    pub window: Duration,
}

/// A limit: its name in the store and in headers, and its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The name.
    pub name: &'static str,
    /// The rate.
    pub rate: Rate,
}

/// All limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// New accounts, and attempts at them, from one address.
    pub register_source: Limit,
    /// Attempts to register one email address again.
    pub register_account: Limit,
    /// Failed logins from one address.
    pub login_source: Limit,
    /// Failed logins to one account.
    pub login_account: Limit,
    /// Refresh tokens that are none, from one address.
    pub refresh_source: Limit,
    /// Refreshes of one session.
    pub refresh_session: Limit,
    /// Failed password changes from one address.
    pub password_source: Limit,
    /// Failed password changes of one account.
    pub password_account: Limit,
}

/// What is counted.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An address: an IPv4 address, or the /64 network of an IPv6 address, which one customer has to themselves.
    Source(IpAddr),
    /// An account or a session, by whatever names it. Kept as a digest: people type passwords into the wrong field.
    Name(String),
}

/// Where attempts are counted.
#[async_trait]
pub trait CounterStore: Send + Sync {
    /// Adds to a counter and gives its new value. No addition is lost, however many are made at once.
    ///
    /// # Errors
    /// The store cannot answer.
    async fn add(&self, counter: &str, amount: i64, expires_at: Timestamp) -> Result<i64, StoreError>;
}

/// An attempt that has been counted.
#[derive(Debug)]
#[must_use = "an attempt that succeeded must be given back"]
pub struct Attempt {
    counted: Vec<Counted>,
}

#[derive(Debug)]
struct Counted {
    counter: String,
    window_ends: Timestamp,
}

impl Attempt {
    /// Counts an attempt against each of these limits.
    ///
    /// # Errors
    /// 429 when one of them is used up, 503 when the store cannot answer.
    pub async fn begin(app: &App, limits: &[(Limit, Subject)]) -> Result<Self, Problem> {
        let now = app.clock.now();
        let mut attempt = Self { counted: Vec::new() };
        for (limit, subject) in limits {
            let window = i64::try_from(limit.rate.window.as_secs()).unwrap_or(i64::MAX).max(1);
            let number = now.as_second().div_euclid(window);
            let counted = Counted {
                counter: format!("{}#{}#{number}", limit.name, subject.key()),
                window_ends: Timestamp::from_millisecond((number + 1).saturating_mul(window).saturating_mul(1000)),
            };
            let count = app.counters()?.add(&counted.counter, 1, counted.window_ends).await?;
            if count > i64::from(limit.rate.count) {
                let wait = seconds_until(now, counted.window_ends);
                attempt.give_back(app).await?;
                return Err(Problem::too_many_requests(wait)
                    .with_header(RATE_LIMIT, &format!("\"{}\";r=0;t={wait}", limit.name))
                    .with_header(RATE_LIMIT_POLICY, &format!("\"{}\";q={};w={window}", limit.name, limit.rate.count)));
            }
            attempt.counted.push(counted);
        }
        Ok(attempt)
    }

    /// Gives the attempt back: it succeeded, so it was no guess.
    ///
    /// # Errors
    /// 503 when the store cannot answer.
    pub async fn give_back(self, app: &App) -> Result<(), Problem> {
        for counted in self.counted {
            app.counters()?.add(&counted.counter, -1, counted.window_ends).await?;
        }
        Ok(())
    }

    /// Lets the attempt count, as a failure does by itself.
    pub fn keep(self) {}
}

impl Subject {
    fn key(&self) -> String {
        match self {
            Self::Source(IpAddr::V4(address)) => address.to_string(),
            Self::Source(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(mapped) => mapped.to_string(),
                None => format!("{:x}", address.to_bits() >> 64),
            },
            Self::Name(name) => {
                let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
                URL_SAFE_NO_PAD.encode(digest)
            }
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || "must be a count and a window, such as 10/15m".to_owned();
        let (count, window) = text.split_once('/').ok_or_else(refused)?;
        let window = window.parse::<jiff::SignedDuration>().ok().and_then(|window| Duration::try_from(window).ok());
        match (count.parse(), window) {
            (Ok(count @ 1..), Some(window)) if window.as_secs() >= 1 => Ok(Self { count, window }),
            _ => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_window() {
        assert_eq!("10/15m".parse(), Ok(Rate { count: 10, window: Duration::from_mins(15) }));
        for bad in ["10", "0/1m", "10/", "10/-1m", "ten/1m", "10/10ms"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_customer_is_one_source() {
        let key = |text: &str| Subject::Source(text.parse().expect("an address")).key();
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
