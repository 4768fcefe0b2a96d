use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::{Sqlite, back_up, check, faults, migrate, sweep};
use crate::problem::StoreError;
use crate::schema::{SqliteSchema, Sweep};
use crate::time::Timestamp;

static NOTES: SqliteSchema = SqliteSchema {
    service: "notes",
    migrations: &[
        "CREATE TABLE notes (text TEXT PRIMARY KEY, expires_at TEXT) STRICT, WITHOUT ROWID",
    ],
    sweeps: &[Sweep {
        statement: crate::sweep!("notes", "text", "expires_at"),
        lifetime: Duration::from_secs(60),
    }],
};

/// The same service, a version later.
static LATER: SqliteSchema = SqliteSchema {
    service: "notes",
    migrations: &[
        "CREATE TABLE notes (text TEXT PRIMARY KEY, expires_at TEXT) STRICT, WITHOUT ROWID",
        "ALTER TABLE notes ADD COLUMN author TEXT",
    ],
    sweeps: &[],
};

struct Notes {
    folder: TempDir,
    sqlite: Arc<Sqlite>,
}

impl Notes {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sqlite = Sqlite::open(&folder.path().join("notes.db")).expect("opened");
        migrate(&sqlite, &[&NOTES], &mut |_| {})
            .await
            .expect("migrated");
        Self {
            folder,
            sqlite: Arc::new(sqlite),
        }
    }

    async fn add(&self, text: impl Into<String>) -> Result<(), StoreError> {
        let text = text.into();
        self.sqlite
            .write(move |connection| insert(connection, &text))
            .await
    }

    fn all(&self) -> Vec<String> {
        texts(&self.sqlite)
    }

    /// Keeps the writer busy until the sender is dropped.
    fn hold_writer(&self) -> Sender<()> {
        let (release, held) = channel::<()>();
        let (begin, begun) = channel::<()>();
        let sqlite = Arc::clone(&self.sqlite);
        tokio::spawn(async move {
            sqlite
                .write(move |_| {
                    drop(begin);
                    let _ = held.recv();
                    Ok(())
                })
                .await
        });
        tokio::task::block_in_place(|| {
            let _ = begun.recv();
        });
        release
    }
}

fn insert(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.execute("INSERT INTO notes (text) VALUES (?1)", [text])?;
    Ok(())
}

fn texts(sqlite: &Sqlite) -> Vec<String> {
    let read = |connection: &Connection| {
        let mut statement = connection.prepare("SELECT text FROM notes ORDER BY text")?;
        let texts = statement.query_map([], |row| row.get(0))?;
        Ok(texts.collect::<Result<_, _>>()?)
    };
    sqlite.read(read).expect("notes")
}

fn refused<T>(opened: Result<T, impl std::fmt::Display>) -> String {
    match opened {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_leaves_nothing_and_those_beside_it_are_made() {
    let notes = Notes::new().await;
    let held = notes.hold_writer();
    let good = join_all((0..5).map(|n| notes.add(format!("good {n}"))));
    let failing = notes.sqlite.write(|connection| {
        insert(connection, "half")?;
        Err::<(), _>(StoreError::KeyReused)
    });
    let panicking = notes.sqlite.write(|connection| {
        insert(connection, "lost")?;
        assert!(connection.is_autocommit(), "it runs in a transaction");
        Ok(())
    });
    let last = notes.add("last");
    let all = async { tokio::join!(good, failing, panicking, last) };
    let release = async { drop(held) };

    let ((good, failing, panicking, last), ()) = tokio::join!(all, release);

    assert!(good.iter().chain([&last]).all(Result::is_ok));
    assert!(matches!(failing, Err(StoreError::KeyReused)));
    assert!(matches!(panicking, Err(StoreError::Corrupt(_))));
    assert_eq!(
        notes.all(),
        ["good 0", "good 1", "good 2", "good 3", "good 4", "last"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_does_not_see_writes_made_meanwhile_and_the_next_read_does() {
    let notes = Notes::new().await;
    let count = |connection: &Connection| {
        let sql = "SELECT count(*) FROM notes";
        Ok::<i64, StoreError>(connection.query_row(sql, [], |row| row.get(0))?)
    };
    let add = |text: &'static str| {
        let add = || Handle::current().block_on(notes.add(text));
        tokio::task::block_in_place(add).expect("added");
    };

    let counts = notes.sqlite.read_snapshot(|connection| {
        let before = count(connection)?;
        add("meanwhile");
        Ok([before, count(connection)?])
    });
    let seen = notes.sqlite.read(count);
    let failed = notes.sqlite.read_snapshot(|connection| {
        count(connection)?;
        Err::<(), _>(StoreError::KeyReused)
    });
    add("later");

    assert_eq!(counts.expect("counted"), [0, 0]);
    assert_eq!(seen.expect("counted"), 1);
    assert!(matches!(failed, Err(StoreError::KeyReused)));
    assert_eq!(notes.sqlite.read(count).expect("counted"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_waiting_disturbs_no_other() {
    let notes = Notes::new().await;
    let held = notes.hold_writer();

    let impatient = tokio::time::timeout(Duration::ZERO, notes.add("impatient")).await;
    assert!(impatient.is_err());
    let patient = async { tokio::join!(notes.add("patient"), async { drop(held) }) };

    assert!(patient.await.0.is_ok());
    assert!(notes.all().contains(&"patient".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_for_the_disk_and_others_are_made_in_their_order() {
    let notes = Notes::new().await;
    let held = notes.hold_writer();
    let append = |text: &'static str| {
        move |connection: &Connection| {
            let before: u32 =
                connection.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?;
            insert(connection, &format!("{before} {text}"))
        }
    };
    let one = notes.sqlite.write_unsynced(append("unsynced"));
    let two = notes.sqlite.write_unsynced(append("unsynced"));
    let three = notes.sqlite.write(append("synced"));
    let four = notes.sqlite.write_unsynced(append("unsynced"));

    let (one, two, three, four, ()) = tokio::join!(one, two, three, four, async { drop(held) });

    assert!([one, two, three, four].iter().all(Result::is_ok));
    assert_eq!(
        notes.all(),
        ["0 unsynced", "1 unsynced", "2 synced", "3 unsynced"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn more_writes_than_can_wait_are_refused_at_once() {
    let notes = Notes::new().await;
    let held = notes.hold_writer();
    let many = join_all((0..1100).map(|n| notes.add(n.to_string())));

    let (results, ()) = tokio::join!(many, async { drop(held) });

    let made = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(made, 1024);
    assert_eq!(notes.all().len(), made);
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    for error in refused {
        assert!(error.to_string().contains("too many writes"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_are_acknowledged_are_there_when_the_file_is_opened_again() {
    let notes = Notes::new().await;
    for text in ["one", "two"] {
        notes.add(text).await.expect("added");
    }
    let path = notes.sqlite.path().to_owned();

    let beside = refused(Sqlite::open(&path));
    assert!(beside.contains("another process"), "{beside}");

    drop(notes.sqlite);
    let again = Sqlite::open(&path).expect("opened");
    check(&again, &[&NOTES]).expect("up to date");
    assert_eq!(texts(&again), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_writes_succeed_again_when_there_is_room() {
    let notes = Notes::new().await;
    let pages = |connection: &Connection, most: u32| {
        connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
    };
    let fill = notes
        .sqlite
        .write(move |connection| Ok(pages(connection, 1)?));
    fill.await.expect("limited");

    let long = notes.add("x".repeat(1 << 20)).await;
    assert!(matches!(long, Err(StoreError::DiskFull)), "{long:?}");
    notes.add("short").await.expect("there is room for it");
    assert_eq!(notes.all(), ["short"]);

    let widen = notes
        .sqlite
        .write(move |connection| Ok(pages(connection, 10_000)?));
    widen.await.expect("widened");
    notes.add("x".repeat(1 << 20)).await.expect("added");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_migrated_is_copied_before() {
    let notes = Notes::new().await;
    notes.add("kept").await.expect("added");
    let missing = refused(check(&notes.sqlite, &[&LATER]));
    assert!(missing.contains("lacks 1 migrations of notes"), "{missing}");

    let mut said = Vec::new();
    migrate(&notes.sqlite, &[&LATER], &mut |line| {
        said.push(line.to_owned())
    })
    .await
    .expect("migrated");

    check(&notes.sqlite, &[&LATER]).expect("up to date");
    assert_eq!(notes.all(), ["kept"]);
    assert!(said[1].contains("notes: migrated from 1 to 2"), "{said:?}");
    let copy = notes.folder.path().join("notes.db.before-2");
    assert_private(&copy);
    let before = Sqlite::open(&copy).expect("opened");
    check(&before, &[&NOTES]).expect("as it was");
    assert_eq!(texts(&before), ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_changes_nothing() {
    static BROKEN: SqliteSchema = SqliteSchema {
        service: "notes",
        migrations: &[NOTES.migrations[0], "DROP TABLE notes; nonsense"],
        sweeps: &[],
    };
    let notes = Notes::new().await;
    notes.add("kept").await.expect("added");

    let failed = migrate(&notes.sqlite, &[&BROKEN], &mut |_| {}).await;

    assert!(refused(failed).contains("cannot be migrated"));
    assert_eq!(notes.all(), ["kept"]);
    check(&notes.sqlite, &[&NOTES]).expect("as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_newer_version_or_of_another_program_is_refused_by_name() {
    let notes = Notes::new().await;
    migrate(&notes.sqlite, &[&LATER], &mut |_| {})
        .await
        .expect("migrated");

    let newer = migrate(&notes.sqlite, &[&NOTES], &mut |_| {}).await;
    assert!(refused(newer).contains("newer version"));
    assert!(refused(check(&notes.sqlite, &[&NOTES])).contains("migration 2 of notes"));

    let path = notes.folder.path().join("other.db");
    let other = Connection::open(&path).expect("a database");
    other
        .execute_batch("CREATE TABLE other (text)")
        .expect("a table");
    drop(other);
    assert!(refused(Sqlite::open(&path)).contains("not a database of Tasklane"));

    std::fs::write(&path, "no database at all, but long enough").expect("written");
    assert!(refused(Sqlite::open(&path)).contains("not a database"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_while_the_database_is_written() {
    let notes = Notes::new().await;
    notes.add("before").await.expect("added");
    let to = notes.folder.path().join("backup.db");
    let reading = Sqlite::open_to_read(notes.sqlite.path()).expect("opened");

    back_up(&reading, &to).expect("a backup");
    assert_private(&to);
    notes.add("after").await.expect("added");

    let exists = refused(back_up(&reading, &to));
    assert!(exists.contains("already exists"), "{exists}");
    let backup = Sqlite::open(&to).expect("opened");
    assert_eq!(texts(&backup), ["before"]);
    assert_eq!(notes.all(), ["after", "before"]);
    let read_only = reading.write(|connection| insert(connection, "no")).await;
    assert!(matches!(read_only, Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_page_is_named_and_not_read() {
    let notes = Notes::new().await;
    for n in 0..500 {
        notes.add(format!("{n:0100}")).await.expect("added");
    }
    let path = notes.sqlite.path().to_owned();
    assert_eq!(faults(&notes.sqlite).expect("read"), Vec::<String>::new());
    drop(notes.sqlite);
    damage(&path);

    let damaged = Sqlite::open_to_read(&path).expect("opened");

    let found = faults(&damaged).expect("read");
    assert!(!found.is_empty(), "{found:?}");
    let read = damaged.read(|connection| {
        let count = connection.query_row("SELECT count(text) FROM notes", [], |row| row.get(0));
        Ok::<i64, StoreError>(count?)
    });
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

/// A copy has all accounts, so nobody but its owner may read it.
fn assert_private(file: &Path) {
    #[cfg(unix)]
    {
        let metadata = std::fs::metadata(file).expect("the file");
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

/// Overwrites a page in the middle of the file.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).expect("the file");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xab);
    std::fs::write(path, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_deletes_what_has_expired_and_nothing_else() {
    let notes = Notes::new().await;
    let add = |connection: &Connection| {
        for n in 0..500 {
            let time = Timestamp::from_millisecond(if n % 2 == 0 { 0 } else { 1 });
            connection.execute(
                "INSERT INTO notes VALUES (?1, ?2)",
                [n.to_string(), time.to_string()],
            )?;
        }
        insert(connection, "never")
    };
    notes.sqlite.write(add).await.expect("added");

    let deleted = sweep(
        &notes.sqlite,
        &[&NOTES],
        Timestamp::from_millisecond(60_000),
    )
    .await;

    assert_eq!(deleted.expect("swept"), 250);
    assert_eq!(notes.all().len(), 251);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_file_is_noticed_also_behind_a_link() {
    for removed in ["notes.db", "notes.db-wal", "link.db"] {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link] = ["notes.db", "link.db"].map(|name| folder.path().join(name));
        drop(Sqlite::open(&file).expect("created"));
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let sqlite = Sqlite::open(&link).expect("opened");
        migrate(&sqlite, &[&NOTES], &mut |_| {})
            .await
            .expect("migrated");

        std::fs::remove_file(folder.path().join(removed)).expect("removed");

        let write = sqlite.write(|connection| insert(connection, "lost")).await;
        assert!(refused(write).contains("removed"), "{removed}");
        let read = sqlite.read(|_| Ok(()));
        assert!(refused(read).contains("removed"), "{removed}");
    }
}
