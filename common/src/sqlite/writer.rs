//! The thread that makes all writes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::errors::failed;
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
                while let Ok(first) = waiting.recv() {
                    write_together(&connection, presence.as_deref(), first, &waiting);
                }
            })?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let job = Write {
            write: Some(write),
            result: Err(stopped()),
            caller,
        };
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many writes are waiting".into()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
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

/// Makes this write and those that wait behind it, and commits them together.
fn write_together(
    connection: &Connection,
    presence: Option<&Presence>,
    first: Box<dyn Job>,
    waiting: &Receiver<Box<dyn Job>>,
) {
    let mut jobs = vec![first];
    let committed = make_all(connection, &mut jobs, waiting);
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
}

fn make_all(
    connection: &Connection,
    jobs: &mut Vec<Box<dyn Job>>,
    waiting: &Receiver<Box<dyn Job>>,
) -> rusqlite::Result<()> {
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
        if made < TOGETHER {
            jobs.extend(waiting.try_recv());
        }
    }
    execute(connection, "COMMIT")
}

fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the database is closed".into())
}
