//! The kinds of records that are copied between stores. Counters of attempts are not copied: they
//! only concern the last minutes.

use common::auth::UserId;
use common::idempotency::IdempotencyKey;
use common::problem::StoreError;
use common::storage::copy::{Record, RecordKind};
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Account, Session};

/// Accounts, including their addresses.
pub const ACCOUNT: RecordKind = RecordKind::new("account", "account", "accounts");
/// Sessions that their accounts have not ended, in their accounts' epoch.
pub(super) const SESSION: RecordKind = RecordKind::new("session", "session", "sessions");
/// Idempotency keys of password changes.
pub(super) const PASSWORD_KEY: RecordKind = RecordKind {
    one_by_one: true,
    ..RecordKind::new(
        "password_key",
        "key of a password change",
        "keys of password changes",
    )
};

pub(super) const KINDS: &[RecordKind] = &[ACCOUNT, SESSION, PASSWORD_KEY];

#[derive(Serialize, Deserialize)]
pub(super) struct ExecutedChange {
    pub(super) user: UserId,
    pub(super) once: IdempotencyKey,
    pub(super) expires_at: Timestamp,
}

pub(super) fn account_record(account: &Account) -> Result<Record, StoreError> {
    Record::new(format!("account {}", account.id), None, account)
}

pub(super) fn session_record(session: &Session) -> Result<Record, StoreError> {
    let name = format!("session {} of account {}", session.id, session.user);
    Record::new(name, Some(session.expires_at), session)
}

impl ExecutedChange {
    pub(super) fn into_record(self) -> Result<Record, StoreError> {
        let name = format!(
            "key {} of a password change of account {}",
            self.once.key, self.user
        );
        Record::new(name, Some(self.expires_at), &self)
    }
}
