//! Limits on the requests of one source and one caller, counted in this process, so that no client
//! uses up the machine.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use common::auth::{Caller, CallerLimit, Rate, UserId, source_network};
use common::problem::Problem;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// After this many requests, entries with their full limit available are removed. So the table has
/// at most the clients of the last window, plus this many.
const FORGET: u32 = 4_096;

/// How many requests one source and one caller may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Limits of requests")]
pub struct RequestLimits {
    /// How many requests one address may send, or one /64 network of IPv6, or `off`.
    #[arg(
        id = "source_requests",
        long = "source-requests",
        env = "TASKLANE_LIMIT_REQUESTS_SOURCE",
        hide_env_values = true,
        value_name = "RATE",
        default_value = "5000/10s"
    )]
    pub source: Bound,

    /// How many requests one account may send, or `off`.
    #[arg(
        id = "caller_requests",
        long = "caller-requests",
        env = "TASKLANE_LIMIT_REQUESTS_CALLER",
        hide_env_values = true,
        value_name = "RATE",
        default_value = "2000/10s"
    )]
    pub caller: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound(Option<Rate>);

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "off" => Ok(Self(None)),
            rate => rate
                .parse()
                .map(|rate| Self(Some(rate)))
                .map_err(|rule: String| format!("{rule}, or off")),
        }
    }
}

/// One limit, and its use by each key.
struct Limiter<K: Hash + Eq + Clone> {
    name: &'static str,
    rate: Rate,
    counted: DefaultKeyedRateLimiter<K>,
    since_forgetting: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    fn new(name: &'static str, bound: Bound) -> Option<Self> {
        let rate = bound.0?;
        let count = NonZeroU32::new(rate.count)?;
        let quota = Quota::with_period(rate.window / rate.count)?.allow_burst(count);
        Some(Self {
            name,
            rate,
            counted: RateLimiter::keyed(quota),
            since_forgetting: AtomicU32::new(0),
        })
    }

    fn count(&self, key: &K) -> Result<(), Problem> {
        if self.since_forgetting.fetch_add(1, Ordering::Relaxed) >= FORGET {
            self.since_forgetting.store(0, Ordering::Relaxed);
            self.counted.retain_recent();
            self.counted.shrink_to_fit();
        }
        self.counted.check_key(key).map_err(|refused| {
            // Rounded up: after this wait the client may send again.
            let wait = refused
                .wait_time_from(DefaultClock::default().now())
                .as_secs()
                + 1;
            Problem::too_many_requests(
                self.name,
                u64::from(self.rate.count),
                self.rate.window.as_secs(),
                wait,
            )
        })
    }
}

/// The limit on the requests of one source.
pub(crate) struct SourceLimit(Option<Limiter<IpAddr>>);

impl SourceLimit {
    pub(crate) fn new(limits: &RequestLimits) -> Self {
        Self(Limiter::new("requests-source", limits.source))
    }

    /// Counts a request of this source.
    ///
    /// # Errors
    /// 429 when this source has sent too many.
    pub(crate) fn count(&self, source: IpAddr) -> Result<(), Problem> {
        self.0
            .as_ref()
            .map_or(Ok(()), |limiter| limiter.count(&source_network(source)))
    }
}

/// The limit on the requests of one account, from all sources.
pub(crate) struct AccountLimit(Limiter<UserId>);

impl AccountLimit {
    pub(crate) fn new(limits: &RequestLimits) -> Option<Self> {
        Limiter::new("requests-caller", limits.caller).map(Self)
    }
}

impl CallerLimit for AccountLimit {
    fn count(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.count(&caller.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_with_their_full_limit_are_removed() {
        let rate = Rate {
            count: 1,
            window: std::time::Duration::from_micros(1),
        };
        let limiter = Limiter::new("test", Bound(Some(rate))).expect("a limit");

        for number in 0..3 * FORGET {
            let _ = limiter.count(&number);

            assert!(
                limiter.counted.len() < 2 * FORGET as usize,
                "{}",
                limiter.counted.len()
            );
        }
    }

    #[test]
    fn a_bound_is_a_rate_or_off() {
        assert_eq!("off".parse(), Ok(Bound(None)));
        assert!(
            "5000/10s"
                .parse::<Bound>()
                .is_ok_and(|bound| bound.0.is_some())
        );
        assert!("none".parse::<Bound>().is_err());
    }
}
