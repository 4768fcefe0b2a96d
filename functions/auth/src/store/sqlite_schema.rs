//! The SQLite tables of accounts and sessions.

use std::time::Duration;

use common::schema::{SqliteSchema, Sweep};
use common::{counter_table, record_sweep, sweep};

pub(super) static SCHEMA: SqliteSchema = SqliteSchema {
    service: "auth",
    migrations: &[concat!(
        "
        CREATE TABLE accounts (
            id TEXT PRIMARY KEY,
            email TEXT NOT NULL,
            -- The address in lower case: addresses that differ only in case are the same.
            email_canonical TEXT NOT NULL UNIQUE,
            name TEXT,
            role TEXT NOT NULL CHECK (role IN ('user', 'admin')),
            password_hash TEXT NOT NULL,
            -- One more whenever the other sessions are ended.
            epoch INTEGER NOT NULL,
            version INTEGER NOT NULL,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
            -- Of the current refresh token, and of the one before it.
            generation INTEGER NOT NULL,
            previous INTEGER,
            created_at TEXT NOT NULL,
            last_used_at TEXT NOT NULL,
            expires_at TEXT NOT NULL,
            -- Refreshing never moves expires_at past it.
            ends_at TEXT NOT NULL,
            user_agent TEXT
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX sessions_of_account ON sessions (account, id);
        CREATE INDEX sessions_expiry ON sessions (expires_at);

        -- Password changes with an idempotency key.
        CREATE TABLE password_changes (
            account TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            expires_at TEXT NOT NULL,
            PRIMARY KEY (account, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX password_changes_expiry ON password_changes (expires_at);
        ",
        counter_table!("counters"),
    )],
    sweeps: &[
        Sweep {
            statement: sweep!("sessions", "id", "expires_at"),
            lifetime: Duration::ZERO,
        },
        Sweep {
            statement: sweep!("password_changes", "account, key", "expires_at"),
            lifetime: Duration::ZERO,
        },
        record_sweep!("counters"),
    ],
};
