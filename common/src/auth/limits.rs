//! Rate limits on operations that can be guessed or flooded. They are kept in the store so that
//! they hold across all environments.
//!
//! A limit counts attempts in fixed windows. An attempt is counted *before* it is made, so that
//! simultaneous guesses cannot pass the limit. Limits on failures subtract it again when it
//! succeeds, so that owners who know their password never reach them; limits on expensive work do
//! not. docs/security.md has a table of all limits.

use std::net::IpAddr;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::source::networks;
use crate::config::{Setting, SettingError};
use crate::part::{Part, StartError, Starter};
use crate::problem::{Problem, seconds_until};
use crate::records::{CounterStore, Kind, RecordId};
use crate::time::{Clock, Timestamp};

/// Counters of attempts, and the sources of successful logins.
const LIMIT: Kind = Kind::new("limit");
const KNOWN_SOURCE: Kind = Kind::new("known-source");

/// How long a source stays known to an account after a successful login.
const KNOWN_SOURCE_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// A number of attempts per window: `10/15m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub window: Duration,
}

/// What counts against a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    Failures,
    /// Every attempt: the work is expensive whether or not it succeeds.
    Attempts,
}

/// The limits of a service, an enum.
pub trait Limit: Copy + Send + Sync + 'static {
    /// The store that counts them.
    type Counters: Part + Deref<Target = dyn CounterStore>;

    const ALL: &'static [Self];

    /// The name in the store and in headers.
    fn name(self) -> &'static str;

    /// The setting of its rate.
    fn setting(self) -> Setting;

    fn counts(self) -> Counts;

    fn of(self, subject: Subject) -> Check<Self> {
        Check {
            limit: self,
            subject,
            unless_known: None,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Subject {
    /// A source: an IPv4 address, or the networks of an IPv6 address.
    Source(IpAddr),
    /// An account or a session, by a text that identifies it. Stored as a digest: people type
    /// passwords into the wrong field.
    Name(String),
    /// An account and a source together.
    NameAt(String, IpAddr),
}

/// A limit, and the subject that it counts.
#[derive(Clone, Debug)]
pub struct Check<L> {
    limit: L,
    subject: Subject,
    /// A source that the limit does not apply to, if it is known to the account.
    unless_known: Option<KnownSource>,
}

/// A source of an account. It stays known to the account for 30 days after a successful login.
#[derive(Clone, Debug)]
pub struct KnownSource(RecordId);

/// An attempt that has been counted.
#[derive(Debug)]
#[must_use = "an attempt that succeeded must say so"]
pub struct Attempt<L> {
    counted: Vec<Counted<L>>,
}

/// One counter of an attempt.
#[derive(Debug)]
struct Counted<L> {
    limit: L,
    counter: RecordId,
    most: u64,
    window: i64,
    window_ends: Timestamp,
}

/// Counts attempts in a store, and refuses those that exceed a limit.
#[derive(Clone)]
pub struct Limiter<L: Limit> {
    rates: Arc<[(&'static str, Rate)]>,
    counters: L::Counters,
    clock: Arc<dyn Clock>,
}

impl<L: Limit> Part for Limiter<L> {
    fn settings() -> Vec<Setting> {
        let own = L::ALL.iter().map(|limit| limit.setting()).collect();
        [L::Counters::settings(), own].concat()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let environment = starter.environment;
        let rates = L::ALL
            .iter()
            .map(|limit| Ok((limit.name(), environment.get(&limit.setting())?)))
            .collect::<Result<_, SettingError>>()?;
        Ok(Self {
            rates,
            counters: starter.part().await?,
            clock: starter.part().await?,
        })
    }
}

impl<L: Limit> Limiter<L> {
    /// The rate of a limit. A limit missing from `ALL` refuses everything.
    fn rate(&self, limit: L) -> Rate {
        let known = self.rates.iter().find(|(name, _)| *name == limit.name());
        known.map_or(
            Rate {
                count: 0,
                window: Duration::from_secs(1),
            },
            |(_, rate)| *rate,
        )
    }

    /// The counters of a check in the current windows: one, or one for each network of an IPv6
    /// source.
    fn counters(&self, check: &Check<L>, now: Timestamp) -> Vec<Counted<L>> {
        let Rate { count, window } = self.rate(check.limit);
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX).max(1);
        let number = now.as_second().div_euclid(window);
        let window_ends =
            Timestamp::from_millisecond((number + 1).saturating_mul(window).saturating_mul(1000));
        let counted = |(subject, factor): (String, u32)| Counted {
            limit: check.limit,
            counter: RecordId::new(LIMIT, format!("{}#{subject}", check.limit.name()), number),
            most: u64::from(count) * u64::from(factor),
            window,
            window_ends,
        };
        check.subject.keys().into_iter().map(counted).collect()
    }
}

impl<L: Limit> Check<L> {
    /// Skips the limit for a source that is known to the account.
    #[must_use]
    pub fn unless_known(mut self, source: KnownSource) -> Self {
        self.unless_known = Some(source);
        self
    }

    async fn is_left_out(&self, limiter: &Limiter<L>) -> Result<bool, Problem> {
        match &self.unless_known {
            Some(source) => source.is_known(limiter).await,
            None => Ok(false),
        }
    }
}

impl KnownSource {
    pub fn new(account: &str, source: IpAddr) -> Self {
        let (source, _) = Subject::NameAt(account.to_owned(), source)
            .keys()
            .swap_remove(0);
        Self(RecordId::new(KNOWN_SOURCE, source, "source"))
    }

    /// Makes the source known to the account, after a successful login.
    ///
    /// # Errors
    /// 503 when the store is unavailable.
    pub async fn remember<L: Limit>(&self, limiter: &Limiter<L>) -> Result<(), Problem> {
        let now = limiter.clock.now();
        limiter
            .counters
            .add(&self.0, 1, now.plus(KNOWN_SOURCE_LIFETIME), now)
            .await?;
        Ok(())
    }

    async fn is_known<L: Limit>(&self, limiter: &Limiter<L>) -> Result<bool, Problem> {
        Ok(limiter.counters.count(&self.0, limiter.clock.now()).await? > 0)
    }
}

impl<L: Limit> Attempt<L> {
    /// Counts an attempt against each of these limits.
    ///
    /// # Errors
    /// 429 when a limit is exceeded, 503 when the store is unavailable.
    pub async fn begin(limiter: &Limiter<L>, checks: &[Check<L>]) -> Result<Self, Problem> {
        let (now, counters) = (limiter.clock.now(), &limiter.counters);
        let mut attempt = Self {
            counted: Vec::new(),
        };
        for check in checks {
            // One after another: in parallel, each would open a connection, and a function starts
            // with one.
            for counted in limiter.counters(check, now) {
                let count = counters
                    .add(&counted.counter, 1, counted.window_ends, now)
                    .await?;
                let is_used_up = u64::try_from(count).unwrap_or(0) > counted.most;
                let refusal = is_used_up.then(|| counted.refusal(now));
                attempt.counted.push(counted);
                if let Some(refusal) = refusal
                    && !check.is_left_out(limiter).await?
                {
                    // The attempt is not made, so it does not count.
                    give_back(limiter, &attempt.counted).await?;
                    return Err(refusal);
                }
            }
        }
        Ok(attempt)
    }

    /// Subtracts a successful attempt from the limits that count failures.
    ///
    /// # Errors
    /// 503 when the store is unavailable.
    pub async fn succeeded(mut self, limiter: &Limiter<L>) -> Result<(), Problem> {
        self.counted
            .retain(|counted| counted.limit.counts() == Counts::Failures);
        give_back(limiter, &self.counted).await
    }

    /// Keeps the attempt counted, like a failure.
    pub fn keep(self) {}
}

async fn give_back<L: Limit>(limiter: &Limiter<L>, counted: &[Counted<L>]) -> Result<(), Problem> {
    let now = limiter.clock.now();
    for Counted {
        counter,
        window_ends,
        ..
    } in counted
    {
        // Counters of ended windows have expired.
        if *window_ends > now {
            limiter.counters.add(counter, -1, *window_ends, now).await?;
        }
    }
    Ok(())
}

impl<L: Limit> Counted<L> {
    fn refusal(&self, now: Timestamp) -> Problem {
        let window = u64::try_from(self.window).unwrap_or(0);
        Problem::too_many_requests(
            self.limit.name(),
            self.most,
            window,
            seconds_until(now, self.window_ends),
        )
    }
}

impl Subject {
    /// Its keys in the store, each with the factor of the limit's count that it may use.
    fn keys(&self) -> Vec<(String, u32)> {
        match self {
            Self::Source(address) => networks(*address),
            Self::Name(name) => vec![(digest(name), 1)],
            // Only the narrowest network: a client with a wider one is limited by the account's own
            // limit.
            Self::NameAt(name, source) => {
                let (source, _) = networks(*source).swap_remove(0);
                vec![(digest(&format!("{name}\n{source}")), 1)]
            }
        }
    }
}

fn digest(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, name.as_bytes()))
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || "must be a count and a window, such as 10/15m".to_owned();
        let (count, window) = text.split_once('/').ok_or_else(refused)?;
        let window = window
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|window| Duration::try_from(window).ok());
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
        assert_eq!(
            "10/15m".parse(),
            Ok(Rate {
                count: 10,
                window: Duration::from_mins(15)
            })
        );

        for bad in ["10", "0/1m", "10/", "10/-1m", "ten/1m", "10/10ms"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
