//! Shared fixtures of the cases of all services.

use std::collections::HashSet;
use std::time::Duration;

use common::auth::UserId;
use common::idempotency::IdempotencyKey;
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use uuid::{NoContext, Uuid};

/// How many calls a racing case makes at the same time.
pub const RACERS: usize = 50;

/// Seconds, to add to a time.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A UUIDv7 with this time. The domain's own identifiers never go back in time within a process,
/// but cases do.
pub fn identifier(now: Timestamp) -> Uuid {
    let milliseconds = u64::try_from(now.as_millisecond()).expect("a case is after 1970");
    let nanoseconds = u32::try_from(milliseconds % 1000).expect("less than a thousand") * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(
        NoContext,
        milliseconds / 1000,
        nanoseconds,
    ))
}

pub fn once(key: &str, fingerprint: &str) -> IdempotencyKey {
    IdempotencyKey {
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
    }
}

/// When every random history ends that starts on this ground. A copy at that time finds no two
/// records of one key: the first has expired when the key is used again.
pub fn end_of_histories(now: Timestamp) -> Timestamp {
    now.plus(LONGEST_HISTORY)
}

/// Sixty waits of thirty days each.
const LONGEST_HISTORY: Duration = Duration::from_secs(60 * 30 * 24 * 60 * 60);

/// A user, for tasks; a store of tasks does not check whether the account exists.
pub fn somebody(now: Timestamp) -> UserId {
    UserId::from_uuid(identifier(now))
}

/// The result of a call in comparable form, with the error as text.
///
/// A store that is unavailable, or cannot read its own data, ends the case: no promise allows that.
pub fn outcome<T>(result: Result<T, StoreError>) -> Result<T, String> {
    match result {
        Err(
            error @ (StoreError::Unavailable(_)
            | StoreError::Corrupt(_)
            | StoreError::Full
            | StoreError::DiskFull),
        ) => {
            panic!("{error}")
        }
        other => other.map_err(|error| format!("{error:?}")),
    }
}

/// The text of an expected error.
pub fn refusal(error: &StoreError) -> String {
    format!("{error:?}")
}

/// The error of a call that had to fail, as text.
pub fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    outcome(result).expect_err("it should have been refused")
}

/// Reads a list page by page. Checks that no page is too long and that the list ends. The limits
/// are used in turn.
pub async fn scan<T>(
    limits: &[usize],
    page: impl AsyncFn(usize, Option<Cursor>) -> Result<Page<T>, StoreError>,
) -> Vec<T> {
    let (mut items, mut after) = (Vec::new(), None);
    let mut seen = HashSet::new();
    for limit in limits.iter().cycle() {
        let page = page(*limit, after).await.expect("a page");
        assert!(
            page.items.len() <= *limit,
            "a page of {} items where {limit} are the most",
            page.items.len()
        );
        items.extend(page.items);
        let Some(next) = page.next else { break };
        // Clients get the cursor as text, which must keep everything.
        let text = next.to_string();
        assert_eq!(text.parse().as_ref(), Ok(&next));
        assert!(seen.insert(text), "the scan stands still at {next:?}");
        after = Some(next);
    }
    items
}

/// Lines that databases, drivers or transports are known to change.
pub const TEXTS: [&str; 16] = [
    "plain",
    " leading and trailing ",
    "\ttabs\tin\tit\t",
    "\u{e9} in one, e\u{301} in two",
    "a\u{300}\u{301}\u{302}\u{303}\u{304}\u{305} marks",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466} family, \u{1f3f3}\u{fe0f}\u{200d}\u{1f308} flag",
    "\u{10ffff}\u{10fffe}\u{e000}\u{fffd}\u{ffff}",
    "\u{202e}right to left\u{202c} and \u{2066}isolated\u{2069}",
    "\u{feff}byte order mark\u{feff}",
    "\u{2028}\u{2029}\u{a0}\u{3000}\u{200b}.",
    "\u{5e9}\u{5c1}\u{5b8}\u{5dc}\u{5d5}\u{5b9}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}",
    "\u{fb01} \u{212b} \u{2126} \u{1e9e} \u{130} \u{131}",
    "\"quotes\" 'and' \\backslashes\\ \\u0041 \\n",
    "{\"$where\": \"1\"} $set.a.b #pk :sk",
    "\u{d7ff}\u{e000} around the surrogates",
    "0123 1e5 true null NaN",
];

pub fn any_precondition() -> impl Strategy<Value = Precondition> {
    let versions = || vec(0..6_u64, 0..4);
    prop_oneof![3 => Just(Precondition::Any), 2 => versions().prop_map(Precondition::OneOf), 2 => versions().prop_map(Precondition::NoneOf)]
}

/// The model's check of a version.
///
/// # Errors
/// The text of the error that a store returns.
pub fn check_version(version: u64, precondition: &Precondition) -> Result<(), String> {
    if precondition.allows(version) {
        Ok(())
    } else {
        Err(format!("Stale {{ current: {version} }}"))
    }
}
