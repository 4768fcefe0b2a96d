//! The copying: record by record from one side to the other, from where an earlier call has come to.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::comparing::{Compared, Difference, compare};
use super::record::{Kind, Record, RecordPage};
use super::side::Side;
use crate::problem::StoreError;
use crate::time::{Clock, Timestamp};

/// How many records are written at the same moment.
const WRITERS: usize = 16;
/// How long is waited before a call that a store could not answer is made again, in seconds: a minute altogether.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// What a copy is about to do or has done.
pub enum Progress<'p> {
    /// An earlier call was interrupted, and this one goes on: with these, of which it had copied so many, or with comparing
    /// when everything was copied.
    Resumed(Option<(Kind, u64)>),
    /// So many records of this kind are copied; whether that is all of them.
    Copied(Kind, u64, bool),
    /// So many records of this kind, of both sides together, have been read again.
    Comparing(Kind, u64),
    /// So many records of this kind have been compared, which is all of them.
    Compared(Kind, u64),
    /// A store cannot answer and is asked again a little later.
    Waiting(&'p str, &'p StoreError),
    /// What is at this key of this store does not fit the types, for this reason.
    Unreadable(&'p str, &'p str, &'p str),
    /// This record is not the same on both sides.
    Different(&'p str, Difference),
}

/// What a copy has come to.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many records of each kind there are to copy. Where nothing is wrong, the other side has the very same.
    pub kinds: Vec<(Kind, u64)>,
    /// How many things, of both sides together, could not be read.
    pub unreadable: u64,
    /// How many records are not the same on both sides.
    pub differences: u64,
    /// Whether there are more differences than were looked into.
    pub and_more: bool,
}

/// Where a copy has come to; it is noted in the store that is written to.
#[derive(Serialize, Deserialize)]
struct Bookmark {
    /// The name of the side that is read.
    from: String,
    /// What is being copied; nothing when everything was, and remains to be compared.
    kind: Option<Kind>,
    /// After which position of that kind.
    after: Option<String>,
    /// How many of that kind were copied.
    copied: u64,
}

impl Bookmark {
    fn at_the_beginning(from: &Side) -> Self {
        Self { from: from.name.clone(), kind: Some(Kind::ALL[0]), after: None, copied: 0 }
    }
}

/// Copies everything that has not expired to the other side and compares both. What is there already stays as it is. An
/// interrupted copy is gone on with by the same call; nothing else may write to either side before it is over.
///
/// # Errors
/// One line that says why there is nothing to copy, why it may not be copied there, or which store does not do as asked.
pub async fn copy(from: &Side, to: &Side, clock: &dyn Clock, tell: &dyn Fn(Progress<'_>)) -> Result<Summary, String> {
    let copying = Copying { from, to, tell };
    let mut bookmark = copying.begin(clock.now()).await?;
    while let Some(kind) = bookmark.kind {
        bookmark = copying.copy_page(kind, bookmark, clock.now()).await?;
        copying.keep(Some(&bookmark)).await?;
    }
    let mut summary = Summary { kinds: Vec::new(), unreadable: 0, differences: 0, and_more: false };
    for kind in Kind::ALL {
        let Compared { count, unreadable, differences, and_more } = compare(from, to, kind, clock, tell).await?;
        summary.kinds.push((kind, count));
        summary.unreadable += unreadable;
        summary.differences += differences;
        summary.and_more |= and_more;
    }
    // What was mended by then is copied by another call, from the beginning: what is there is only looked at.
    let again = (!summary.is_whole()).then(|| Bookmark::at_the_beginning(from));
    copying.keep(again.as_ref()).await?;
    Ok(summary)
}

impl Summary {
    /// Whether everything was copied and both sides are the same.
    pub fn is_whole(&self) -> bool {
        self.unreadable == 0 && self.differences == 0 && !self.and_more
    }
}

struct Copying<'c> {
    from: &'c Side,
    to: &'c Side,
    tell: &'c dyn Fn(Progress<'_>),
}

impl Copying<'_> {
    /// Where to begin: where an interrupted copy from the same side has come to, or at the beginning of an empty store.
    async fn begin(&self, now: Timestamp) -> Result<Bookmark, String> {
        let (from, to) = (&self.from.name, &self.to.name);
        if let Some(note) = self.patiently(self.to, async || self.to.stock.note().await).await? {
            let bookmark: Bookmark =
                serde_json::from_str(&note).map_err(|error| format!("the note of a copy in {to} cannot be read: {error}"))?;
            if bookmark.from != *from {
                return Err(format!(
                    "a copy of {} to {to} was interrupted: go on with that one, or empty what was copied to",
                    bookmark.from
                ));
            }
            (self.tell)(Progress::Resumed(bookmark.kind.map(|kind| (kind, bookmark.copied))));
            return Ok(bookmark);
        }
        if let Some(found) = self.anything_in(self.to, now).await? {
            return Err(format!("{to} must be empty, and there is {found}"));
        }
        if self.anything_in(self.from, now).await?.is_none() {
            return Err(format!("there is nothing to copy in {from}"));
        }
        let bookmark = Bookmark::at_the_beginning(self.from);
        self.keep(Some(&bookmark)).await?;
        Ok(bookmark)
    }

    /// The name of any one thing that a side holds.
    async fn anything_in(&self, side: &Side, now: Timestamp) -> Result<Option<String>, String> {
        for kind in Kind::ALL {
            let mut after = None;
            loop {
                let page = read(side, kind, after, now, self.tell).await?;
                let found = page.records.first().map(Record::to_string);
                if let Some(found) = found.or_else(|| page.unreadable.first().map(|unreadable| unreadable.key.clone())) {
                    return Ok(Some(found));
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        Ok(None)
    }

    /// Copies the page after the bookmark, and gives the bookmark after the page. What cannot be read is told of when both
    /// sides are compared, so that it is told of once, however often the copying was interrupted.
    async fn copy_page(&self, kind: Kind, bookmark: Bookmark, now: Timestamp) -> Result<Bookmark, String> {
        let page = read(self.from, kind, bookmark.after, now, self.tell).await?;
        let count = u64::try_from(page.records.len()).unwrap_or(u64::MAX);
        let adding = stream::iter(&page.records).map(|record| self.add(record));
        adding.buffer_unordered(WRITERS).try_collect::<()>().await?;
        let copied = bookmark.copied.saturating_add(count);
        (self.tell)(Progress::Copied(kind, copied, page.next.is_none()));
        Ok(match page.next {
            Some(next) => Bookmark { after: Some(next), copied, ..bookmark },
            None => Bookmark { from: bookmark.from, kind: kind.next(), after: None, copied: 0 },
        })
    }

    async fn add(&self, record: &Record) -> Result<(), String> {
        let added = self.patiently(self.to, async || self.to.stock.add(record).await).await;
        added.map_err(|error| format!("the {record} cannot be written: {error}"))
    }

    async fn keep(&self, bookmark: Option<&Bookmark>) -> Result<(), String> {
        let note = bookmark.map(serde_json::to_string).transpose().map_err(|error| error.to_string())?;
        self.patiently(self.to, async || self.to.stock.put_note(note.as_deref()).await).await
    }

    async fn patiently<T>(&self, side: &Side, call: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, String> {
        patiently(side, self.tell, call).await
    }
}

/// Reads a page of a side, without what has expired.
pub(super) async fn read(
    side: &Side,
    kind: Kind,
    after: Option<String>,
    now: Timestamp,
    tell: &dyn Fn(Progress<'_>),
) -> Result<RecordPage, String> {
    let mut page = patiently(side, tell, async || side.stock.read(kind, after.as_deref()).await).await?;
    page.records.retain(|record| record.ends_at().is_none_or(|end| end > now));
    Ok(page)
}

/// Makes a call, again when the store cannot answer, and says of an error which store it is.
async fn patiently<T>(side: &Side, tell: &dyn Fn(Progress<'_>), call: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, String> {
    for pause in PAUSES {
        match call().await {
            Err(error @ StoreError::Unavailable(_)) => tell(Progress::Waiting(&side.name, &error)),
            answer => return answer.map_err(|error| describe(side, &error)),
        }
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
    call().await.map_err(|error| describe(side, &error))
}

fn describe(side: &Side, error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(cause) => format!("{} cannot answer: {cause}", side.name),
        StoreError::Corrupt(cause) => format!("{}: {cause}", side.name),
        error => format!("{}: {error}", side.name),
    }
}
