//! The thread that makes all writes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::errors::failed;
use super::execute;
use super::presence::Presence;
use crate::problem::StoreError;

/// How many writes may wait. More are refused, so that a slow disk does not fill the memory.
const QUEUE: usize = 1024;
/// The largest number of writes in a commit, so that the first of them does not wait for too long.
const TOGETHER: usize = 128;

pub(super) struct Writer {
    /// `None` only while it stops.
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// A write of any result.
trait Job: Send {
    fn sync(&self) -> Sync;

    /// Runs it; whether its changes are to be kept.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Answers the caller: with its own result if the changes are on disk.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<T, F> {
    /// `None` after it ran.
    write: Option<F>,
    result: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
    sync: Sync,
}

/// Whether a commit waits until it is on disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    Full,
    /// The system writes it to the disk later. A loss of power may lose it, the end of the process
    /// does not.
    Later,
}

impl Sync {
    /// https://www.sqlite.org/pragma.html#pragma_synchronous
    fn pragma(self) -> &'static str {
        match self {
            Self::Full => "PRAGMA synchronous = FULL",
            Self::Later => "PRAGMA synchronous = NORMAL",
        }
    }
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        presence: Option<Arc<Presence>>,
    ) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                let mut next = waiting.recv().ok();
                while let Some(first) = next {
                    let left = write_together(&connection, presence.as_deref(), first, &waiting);
                    next = left.or_else(|| waiting.recv().ok());
                }
            })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        sync: Sync,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answered) = oneshot::channel();
        let job = Write {
            write: Some(write),
            result: Err(stopped()),
            caller,
            sync,
        };
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many writes are waiting".into()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Makes the writes that wait, then closes the connection.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic: a write that panics is caught.
            let _ = thread.join();
        }
    }
}

impl<T: Send, F> Job for Write<T, F>
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn sync(&self) -> Sync {
        self.sync
    }

    fn run(&mut self, connection: &Connection) -> bool {
        let Some(write) = self.write.take() else {
            return false;
        };
        self.result = catch_unwind(AssertUnwindSafe(|| write(connection)))
            .unwrap_or_else(|_| Err(StoreError::Corrupt("a write panicked".into())));
        self.result.is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, caller, .. } = *self;
        // A caller that no longer waits has gone away.
        let _ = caller.send(result.and_then(|value| committed.map(|()| value)));
    }
}

/// Makes this write and those that wait behind it, and commits them together. Returns a write that
/// must not be in the same commit: it waits for the disk, and the others do not.
fn write_together(
    connection: &Connection,
    presence: Option<&Presence>,
    first: Box<dyn Job>,
    waiting: &Receiver<Box<dyn Job>>,
) -> Option<Box<dyn Job>> {
    let mut jobs = vec![first];
    let mut left = None;
    let committed = make_all(connection, &mut jobs, waiting, &mut left);
    if committed.is_err() && !connection.is_autocommit() {
        // If this fails too, the next BEGIN says so.
        let _ = execute(connection, "ROLLBACK");
    }
    // A commit counts if the files are still there when it is on disk.
    if let Some(presence) = presence {
        presence.look();
    }
    for job in jobs {
        job.answer(committed.as_ref().map(|_| ()).map_err(failed));
    }
    left
}

fn make_all(
    connection: &Connection,
    jobs: &mut Vec<Box<dyn Job>>,
    waiting: &Receiver<Box<dyn Job>>,
    left: &mut Option<Box<dyn Job>>,
) -> rusqlite::Result<()> {
    let sync = jobs.first().map_or(Sync::Full, |first| first.sync());
    execute(connection, sync.pragma())?;
    execute(connection, "BEGIN IMMEDIATE")?;
    let mut made = 0;
    while let Some(job) = jobs.get_mut(made) {
        execute(connection, "SAVEPOINT job")?;
        if !job.run(connection) {
            // After some errors, such as a full disk, SQLite has rolled everything back already.
            // Then this fails, and with it every write of the commit.
            execute(connection, "ROLLBACK TO job")?;
        }
        execute(connection, "RELEASE job")?;
        made += 1;
        if made < TOGETHER
            && let Ok(next) = waiting.try_recv()
        {
            if sync == Sync::Full || next.sync() == sync {
                jobs.push(next);
            } else {
                *left = Some(next);
            }
        }
    }
    execute(connection, "COMMIT")
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the database is closed".into())
}
