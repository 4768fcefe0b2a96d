//! Compares both sides in limited memory, whatever the order in which each is read: records are put
//! into buckets by name, which have a count and a sum of digests. Only the records of buckets that
//! differ are then compared one by one.

use std::collections::HashMap;
use std::pin::pin;

use futures_util::TryStreamExt;
use ring::digest::{SHA256, digest};

use super::copying::{Progress, pages};
use super::record::RecordKind;
use super::side::Side;
use crate::time::{Clock, Timestamp};

/// The number of buckets: twelve bits.
const BUCKETS: usize = 1 << 12;
/// The largest number of records of one side that are compared one by one.
const LOOKED_INTO: u64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is missing on the side that is written to.
    Missing,
    Extra,
    /// Its content differs.
    Changed,
}

/// The result of comparing a kind.
pub(super) struct Compared {
    pub(super) count: u64,
    pub(super) unreadable: u64,
    pub(super) differences: u64,
    pub(super) and_more: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    count: u64,
    sum: u128,
}

/// A record's digest and expiry, by name.
type Known = HashMap<String, ([u8; 32], Option<Timestamp>)>;

/// Compares all records of a kind.
pub(super) async fn compare(
    from: &Side,
    to: &Side,
    kind: &'static RecordKind,
    clock: &dyn Clock,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Compared, String> {
    let now = clock.now();
    let mut unreadable = 0;
    let (mut ours, mut theirs) = (
        vec![Bucket::default(); BUCKETS],
        vec![Bucket::default(); BUCKETS],
    );
    let mut seen = 0;
    for (side, buckets) in [(from, &mut ours), (to, &mut theirs)] {
        let mut pages = pin!(pages(side, kind, now, tell));
        while let Some(page) = pages.try_next().await? {
            for record in &page.records {
                let bucket = &mut buckets[bucket_of(&record.name)];
                bucket.count += 1;
                bucket.sum = bucket.sum.wrapping_add(half_of(record.digest()));
            }
            for found in &page.unreadable {
                tell(Progress::Unreadable(&side.name, &found.key, &found.cause));
                unreadable += 1;
            }
            seen += page.records.len() as u64;
            tell(Progress::Comparing(kind, seen));
        }
    }
    let count = ours.iter().map(|bucket| bucket.count).sum();
    let (wanted, and_more) = differing(&ours, &theirs);
    let mut differences = 0;
    if wanted.contains(&true) {
        let ours = look_into(from, kind, &wanted, now, tell).await?;
        let theirs = look_into(to, kind, &wanted, now, tell).await?;
        // A record that has expired may have been swept on one side, but not yet on the other.
        let now = clock.now();
        for (name, difference) in differences_of(&ours, &theirs, now) {
            tell(Progress::Different(name, difference));
            differences += 1;
        }
    }
    tell(Progress::Compared(kind, count));
    Ok(Compared {
        count,
        unreadable,
        differences,
        and_more,
    })
}

/// Which buckets differ, up to the limit, and whether more differ.
fn differing(ours: &[Bucket], theirs: &[Bucket]) -> (Vec<bool>, bool) {
    let (mut records, mut and_more) = (0, false);
    let wanted = ours.iter().zip(theirs).map(|(ours, theirs)| {
        if ours == theirs {
            return false;
        }
        // At least one, whatever its size.
        let wanted = records == 0 || records + ours.count.max(theirs.count) <= LOOKED_INTO;
        records += if wanted {
            ours.count.max(theirs.count)
        } else {
            0
        };
        and_more |= !wanted;
        wanted
    });
    (wanted.collect(), and_more)
}

/// The records of the wanted buckets.
async fn look_into(
    side: &Side,
    kind: &'static RecordKind,
    wanted: &[bool],
    now: Timestamp,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Known, String> {
    let (mut known, mut pages) = (Known::new(), pin!(pages(side, kind, now, tell)));
    while let Some(page) = pages.try_next().await? {
        for record in &page.records {
            if wanted[bucket_of(&record.name)] {
                known.insert(record.name.clone(), (record.digest(), record.ends_at));
            }
        }
    }
    Ok(known)
}

fn differences_of<'k>(
    ours: &'k Known,
    theirs: &'k Known,
    now: Timestamp,
) -> Vec<(&'k str, Difference)> {
    let lives = |end: &Option<Timestamp>| end.is_none_or(|end| end > now);
    let mut found = Vec::new();
    for (name, (digest, end)) in ours {
        match theirs.get(name) {
            None if lives(end) => found.push((name.as_str(), Difference::Missing)),
            Some((other, _)) if other != digest => found.push((name, Difference::Changed)),
            _ => {}
        }
    }
    let extra = theirs
        .iter()
        .filter(|(name, (_, end))| lives(end) && !ours.contains_key(*name));
    found.extend(extra.map(|(name, _)| (name.as_str(), Difference::Extra)));
    found.sort_unstable_by_key(|(name, _)| *name);
    found
}

/// Half of a digest as a number, for the sum.
fn half_of(digest: [u8; 32]) -> u128 {
    digest
        .iter()
        .take(16)
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn bucket_of(name: &str) -> usize {
    let digest = digest(&SHA256, name.as_bytes());
    let [first, second, ..] = digest.as_ref() else {
        return 0;
    };
    (usize::from(*first) << 8 | usize::from(*second)) % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[u64]) -> Vec<Bucket> {
        counts
            .iter()
            .map(|count| Bucket {
                count: *count,
                sum: u128::from(*count),
            })
            .collect()
    }

    #[test]
    fn compared_buckets_are_limited_and_skipped_ones_are_reported() {
        let half = LOOKED_INTO / 2;
        let none = &buckets(&[0, 0, 0, 7]);

        assert_eq!(
            differing(&buckets(&[half, 0, half, 7]), none),
            (vec![true, false, true, false], false)
        );
        assert_eq!(
            differing(&buckets(&[half, 1, half, 7]), none),
            (vec![true, true, false, false], true)
        );
        assert_eq!(
            differing(&buckets(&[LOOKED_INTO * 2, 0, 1, 7]), none),
            (vec![true, false, false, false], true)
        );
        assert_eq!(differing(none, none), (vec![false; 4], false));
    }

    #[test]
    fn records_that_have_expired_are_not_differences() {
        let now = Timestamp::from_millisecond(10_000);
        let second = |at: i64| Some(Timestamp::from_millisecond(at * 1000));
        let ours: Known = [("kept", None), ("lives", second(11)), ("ended", second(10))]
            .map(|(n, end)| (n.to_owned(), ([0; 32], end)))
            .into();
        let theirs: Known = [("extra", second(11)), ("also ended", second(10))]
            .map(|(n, end)| (n.to_owned(), ([0; 32], end)))
            .into();

        let found = differences_of(&ours, &theirs, now);
        assert_eq!(
            found,
            [
                ("extra", Difference::Extra),
                ("kept", Difference::Missing),
                ("lives", Difference::Missing)
            ]
        );

        let changed: Known = ours
            .keys()
            .map(|name| (name.clone(), ([1; 32], None)))
            .collect();
        assert_eq!(differences_of(&ours, &changed, now).len(), 3);
    }
}
