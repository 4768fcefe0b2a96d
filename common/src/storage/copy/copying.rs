//! Copies record by record from one side to the other. Resumes an interrupted copy.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::comparing::{Compared, Difference, compare};
use super::record::{Record, RecordKind, RecordPage};
use super::side::Side;
use crate::problem::StoreError;
use crate::time::{Clock, Timestamp};

/// How many records are written in parallel.
const WRITERS: usize = 16;
/// The waits before retries of a call to an unavailable store, in seconds: a minute in total.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 15, 30];

/// The progress of a copy.
pub enum Progress<'p> {
    /// An earlier copy is resumed: with this kind, of which this many records are copied, or with
    /// comparing if everything is copied.
    Resumed(Option<(&'static RecordKind, u64)>),
    /// This many records of this kind are copied; whether that is all of them.
    Copied(&'static RecordKind, u64, bool),
    /// This many records of this kind, counting both sides, have been read again.
    Comparing(&'static RecordKind, u64),
    /// All records of this kind have been compared: this many.
    Compared(&'static RecordKind, u64),
    /// A store is unavailable; the call is retried later.
    Waiting(&'p str, &'p StoreError),
    /// The data at this key of this store does not fit the types, for this reason.
    Unreadable(&'p str, &'p str, &'p str),
    /// This record differs between the sides.
    Different(&'p str, Difference),
}

/// The result of a copy.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many records of each kind there are to copy. After a correct copy the other side has
    /// exactly the same records.
    pub kinds: Vec<(&'static RecordKind, u64)>,
    /// How many items of both sides together could not be read.
    pub unreadable: u64,
    /// How many records differ between the sides.
    pub differences: u64,
    /// Whether more records may differ than were compared.
    pub and_more: bool,
}

/// The progress of a copy, noted in the store that is written to.
#[derive(Serialize, Deserialize)]
struct Note {
    /// The name of the side that is read.
    from: String,
    /// The progress.
    stage: Stage,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// This many records of this kind are copied, up to this position.
    Copying {
        kind: String,
        after: Option<String>,
        copied: u64,
    },
    /// Everything is copied and is being compared.
    Comparing,
    /// Both sides were equal. From now on the store may be in use, so nothing more is copied.
    Finished,
}

/// Reads all records of a side, and reports those that cannot be read to `tell`.
///
/// # Errors
/// One line: that the store fails, and how.
pub async fn read_all(
    side: &Side,
    clock: &dyn Clock,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Summary, String> {
    let mut summary = Summary::default();
    for kind in side.kinds() {
        let mut count = 0;
        let mut pages = pin!(pages(side, kind, clock.now(), tell));
        while let Some(page) = pages.try_next().await? {
            count += page.records.len() as u64;
            for found in &page.unreadable {
                tell(Progress::Unreadable(&side.name, &found.key, &found.cause));
                summary.unreadable += 1;
            }
        }
        summary.kinds.push((kind, count));
    }
    Ok(summary)
}

/// Copies everything that has not expired to the other side, then compares both. Existing records
/// are not changed. Another call resumes an interrupted copy; after a finished copy it only
/// compares. Nothing else may write to either side until the copy is finished.
///
/// # Errors
/// One line: why there is nothing to copy, why it may not be copied there, or which store fails and
/// how.
pub async fn copy(
    from: &Side,
    to: &Side,
    clock: &dyn Clock,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Summary, String> {
    let copying = Copying { from, to, tell };
    let mut stage = copying.begin(clock.now()).await?;
    while let Stage::Copying {
        kind,
        after,
        copied,
    } = stage
    {
        stage = copying
            .copy_page(copying.kind(&kind)?, after, copied, clock.now())
            .await?;
        copying.keep(&stage, clock.now()).await?;
    }
    let mut summary = Summary::default();
    for kind in from.kinds() {
        let Compared {
            count,
            unreadable,
            differences,
            and_more,
        } = compare(from, to, kind, clock, tell).await?;
        summary.kinds.push((kind, count));
        summary.unreadable += unreadable;
        summary.differences += differences;
        summary.and_more |= and_more;
    }
    match stage {
        Stage::Finished => {}
        _ if summary.is_whole() => copying.keep(&Stage::Finished, clock.now()).await?,
        // Another call copies what has been repaired until then.
        _ => copying.keep(&copying.first_stage()?, clock.now()).await?,
    }
    Ok(summary)
}

impl Summary {
    /// Whether everything was copied and both sides are equal.
    pub fn is_whole(&self) -> bool {
        self.unreadable == 0 && self.differences == 0 && !self.and_more
    }
}

impl Stage {
    fn before(kind: &RecordKind) -> Self {
        Self::Copying {
            kind: kind.name.to_owned(),
            after: None,
            copied: 0,
        }
    }
}

struct Copying<'c> {
    from: &'c Side,
    to: &'c Side,
    tell: &'c dyn Fn(Progress<'_>),
}

impl Copying<'_> {
    /// The stage to start with: the progress of an earlier copy from the same side, or the
    /// beginning if the store is empty.
    async fn begin(&self, now: Timestamp) -> Result<Stage, String> {
        let (from, to) = (&self.from.name, &self.to.name);
        let stage = match self.note(now).await? {
            Some(Note { from: noted, stage }) if noted == *from => stage,
            Some(Note {
                stage: Stage::Finished,
                ..
            })
            | None => return self.begin_anew(now).await,
            Some(Note { from, .. }) => {
                return Err(format!(
                    "a copy of {from} to {to} was interrupted: resume it, or empty the target store"
                ));
            }
        };
        (self.tell)(Progress::Resumed(match &stage {
            Stage::Copying { kind, copied, .. } => Some((self.kind(kind)?, *copied)),
            Stage::Comparing | Stage::Finished => None,
        }));
        Ok(stage)
    }

    async fn begin_anew(&self, now: Timestamp) -> Result<Stage, String> {
        if let Some(found) = self.anything_in(self.to, now).await? {
            return Err(format!(
                "{} must be empty, but contains {found}",
                self.to.name
            ));
        }
        if self.anything_in(self.from, now).await?.is_none() {
            return Err(format!("there is nothing to copy in {}", self.from.name));
        }
        let stage = self.first_stage()?;
        self.keep(&stage, now).await?;
        Ok(stage)
    }

    /// The name of any record on a side.
    async fn anything_in(&self, side: &Side, now: Timestamp) -> Result<Option<String>, String> {
        for kind in side.kinds() {
            let mut pages = pin!(pages(side, kind, now, self.tell));
            while let Some(page) = pages.try_next().await? {
                let found = page.records.first().map(Record::to_string);
                if let Some(found) = found.or_else(|| {
                    page.unreadable
                        .first()
                        .map(|unreadable| unreadable.key.clone())
                }) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Copies a page of a kind, of which `copied` records were copied before, and returns the next
    /// stage. Unreadable records are only reported when the sides are compared: once, however often
    /// the copy was interrupted.
    async fn copy_page(
        &self,
        kind: &'static RecordKind,
        after: Option<String>,
        copied: u64,
        now: Timestamp,
    ) -> Result<Stage, String> {
        let page = read(self.from, kind, after, now, self.tell).await?;
        let adding = stream::iter(&page.records).map(|record| self.add(kind, record));
        let writers = if kind.one_by_one { 1 } else { WRITERS };
        adding.buffer_unordered(writers).try_collect::<()>().await?;
        let copied = copied + page.records.len() as u64;
        (self.tell)(Progress::Copied(kind, copied, page.next.is_none()));
        Ok(match page.next {
            Some(next) => Stage::Copying {
                kind: kind.name.to_owned(),
                after: Some(next),
                copied,
            },
            None => self
                .kind_after(kind)
                .map_or(Stage::Comparing, Stage::before),
        })
    }

    async fn add(&self, kind: &RecordKind, record: &Record) -> Result<(), String> {
        let added = patiently(self.to, self.tell, async || self.to.add(kind, record).await).await;
        added.map_err(|error| format!("the {record} cannot be written: {error}"))
    }

    fn first_stage(&self) -> Result<Stage, String> {
        let first = self.from.kinds().next();
        first
            .map(Stage::before)
            .ok_or_else(|| "there are no kinds of records".to_owned())
    }

    fn kind(&self, name: &str) -> Result<&'static RecordKind, String> {
        let kind = self.from.kinds().find(|kind| kind.name == name);
        kind.ok_or_else(|| {
            format!(
                "{} has the note of a copy of {name}, which no service stores",
                self.to.name
            )
        })
    }

    fn kind_after(&self, kind: &RecordKind) -> Option<&'static RecordKind> {
        self.from.kinds().skip_while(|other| *other != kind).nth(1)
    }

    async fn note(&self, now: Timestamp) -> Result<Option<Note>, String> {
        let note = patiently(self.to, self.tell, async || self.to.notes.read(now).await).await?;
        let note = note.as_deref().map(serde_json::from_str).transpose();
        note.map_err(|error| {
            format!(
                "the note of a copy in {} cannot be read: {error}",
                self.to.name
            )
        })
    }

    async fn keep(&self, stage: &Stage, now: Timestamp) -> Result<(), String> {
        let note = Note {
            from: self.from.name.clone(),
            stage: stage.clone(),
        };
        let note = serde_json::to_string(&note).map_err(|error| error.to_string())?;
        patiently(self.to, self.tell, async || {
            self.to.notes.write(&note, now).await
        })
        .await
    }
}

/// Reads all pages of a kind.
pub(super) fn pages<'p>(
    side: &'p Side,
    kind: &'static RecordKind,
    now: Timestamp,
    tell: &'p dyn Fn(Progress<'_>),
) -> impl Stream<Item = Result<RecordPage, String>> + 'p {
    // Where the next page starts, at first the beginning; `None` after the last page.
    stream::try_unfold(Some(None), move |start| async move {
        let Some(after) = start else { return Ok(None) };
        let page = read(side, kind, after, now, tell).await?;
        let next = page.next.clone().map(Some);
        Ok(Some((page, next)))
    })
}

/// Reads a page of a side, without expired records.
async fn read(
    side: &Side,
    kind: &'static RecordKind,
    after: Option<String>,
    now: Timestamp,
    tell: &dyn Fn(Progress<'_>),
) -> Result<RecordPage, String> {
    let mut page = patiently(side, tell, async || side.read(kind, after.as_deref()).await).await?;
    page.records
        .retain(|record| record.ends_at.is_none_or(|end| end > now));
    Ok(page)
}

/// Makes a call, retries it while the store is unavailable, and names the store in errors.
async fn patiently<T>(
    side: &Side,
    tell: &dyn Fn(Progress<'_>),
    call: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<T, String> {
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
