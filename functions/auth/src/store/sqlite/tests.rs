//! Rows that cannot be read, and the pages of a copy.

use std::net::Ipv4Addr;

use common::auth::{Client, SessionLifetimes};
use common::schema::PAGE;
use common::sqlite::Text;
use common::storage::copy::{CopiedTable, read_tables};

use super::full_scan::{ACCOUNT_TABLES, CHANGE_TABLES, SESSION_TABLES};
use super::*;
use crate::store::sqlite_schema::SCHEMA;

/// A database with an account that has this many sessions.
fn filled(sessions: usize) -> (Connection, Account, Vec<Session>) {
    let connection = Connection::open_in_memory().expect("a database");
    for statements in SCHEMA.migrations {
        connection.execute_batch(statements).expect("tables");
    }
    let email = Email::try_from("ada@example.com".to_owned()).expect("an address");
    let hash = serde_json::from_value("$argon2id$".into()).expect("a hash");
    let now = Timestamp::from_millisecond(0);
    let account = Account::new(email, None, hash, now);
    insert_account(&connection, &account).expect("an account");
    let client = Client::new(Ipv4Addr::LOCALHOST.into(), None);
    let lifetimes = SessionLifetimes {
        idle: Duration::from_secs(60),
        absolute: Duration::from_secs(60),
    };
    let sessions: Vec<_> = (0..sessions)
        .map(|_| Session::start(&account, &client, lifetimes, now))
        .collect();
    for session in &sessions {
        insert_session(&connection, session).expect("a session");
    }
    (connection, account, sessions)
}

fn spoil(connection: &Connection, session: &Session) {
    let sql = "UPDATE sessions SET created_at = 'nonsense' WHERE id = ?1";
    let spoilt = connection.execute(sql, [Text(session.id)]);
    assert_eq!(spoilt, Ok(1));
}

/// The names of all records, and the keys of all unreadable rows.
fn scan(connection: &Connection, tables: &[CopiedTable]) -> (Vec<String>, Vec<String>) {
    let (mut names, mut unreadable) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let page = read_tables(connection, tables, after.as_deref()).expect("a page");
        assert!(page.records.len() + page.unreadable.len() <= PAGE);
        names.extend(page.records.into_iter().map(|record| record.name));
        unreadable.extend(page.unreadable.into_iter().map(|row| row.key));
        after = page.next;
        if after.is_none() {
            return (names, unreadable);
        }
    }
}

#[test]
fn an_unreadable_session_hides_no_other_one() {
    let (connection, account, sessions) = filled(5);
    for at in [0, 2, 4] {
        spoil(&connection, &sessions[at]);
    }
    let now = Timestamp::from_millisecond(0);

    let first = list(&connection, &account, 1, None, now).expect("a page");
    let second = list(&connection, &account, 1, Some(sessions[1].id), now).expect("a page");

    assert_eq!(first.items, [sessions[1].clone()]);
    assert!(first.next.is_some());
    assert_eq!(second.items, [sessions[3].clone()]);
    assert_eq!(second.next, None);
}

#[test]
fn an_unreadable_session_is_named_with_the_column() {
    let (connection, account, sessions) = filled(1);
    spoil(&connection, &sessions[0]);
    let now = Timestamp::from_millisecond(0);

    let error = find_session(&connection, &account, sessions[0].id, now)
        .expect_err("it cannot be read")
        .to_string();

    let named = format!("sessions {}: created_at: ", sessions[0].id);
    assert!(error.contains(&named), "{error}");
}

#[test]
fn a_copy_reads_every_row_once() {
    let (connection, account, sessions) = filled(2 * PAGE + 1);
    let now = Timestamp::from_millisecond(0);
    for at in 0..=PAGE {
        let once = IdempotencyKey {
            key: format!("{at:03} key"),
            fingerprint: "this change".to_owned(),
        };
        remember(&connection, account.id, &once, now).expect("a key");
    }

    let (found, unreadable) = scan(&connection, &SESSION_TABLES);
    let ids = sessions.iter().map(|session| session.id);
    let expected = ids.map(|id| format!("session {id} of account {}", account.id));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert!(unreadable.is_empty());

    let (mut found, unreadable) = scan(&connection, &CHANGE_TABLES);
    assert!(found.is_sorted());
    found.dedup();
    assert_eq!((found.len(), unreadable.len()), (PAGE + 1, 0));
}

#[test]
fn a_copy_names_an_unreadable_account_its_sessions_and_its_keys() {
    let (connection, account, sessions) = filled(1);
    let once = IdempotencyKey {
        key: "key".to_owned(),
        fingerprint: "this change".to_owned(),
    };
    remember(&connection, account.id, &once, account.created_at).expect("a key");
    let sql = "UPDATE accounts SET created_at = 'nonsense'";
    assert_eq!(connection.execute(sql, []), Ok(1));

    let tables = [&ACCOUNT_TABLES, &SESSION_TABLES, &CHANGE_TABLES];
    let scanned = tables.map(|tables| scan(&connection, tables));

    let id = account.id;
    let expected = [
        format!("accounts {id}"),
        format!("sessions {}", sessions[0].id),
        format!("password_changes {id} key"),
    ];
    assert_eq!(scanned, expected.map(|key| (Vec::new(), vec![key])));
}
