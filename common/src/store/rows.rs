//! How an account is written down in any store: its fields, for serde.

use serde::{Deserialize, Serialize};

use crate::auth::PasswordHash;
use crate::time::Timestamp;
use crate::users::{Account, Email, Name, Role, User, UserId};

#[derive(Serialize, Deserialize)]
pub(super) struct AccountRow {
    id: UserId,
    email: Email,
    name: Option<Name>,
    role: Role,
    password_hash: PasswordHash,
    epoch: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
    version: u64,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let AccountRow {
            id,
            email,
            name,
            role,
            password_hash,
            epoch,
            created_at,
            updated_at,
            version,
        } = row;
        Self {
            id,
            email,
            name,
            role,
            password_hash,
            epoch,
            created_at,
            updated_at,
            version,
        }
    }
}

impl From<Account> for AccountRow {
    fn from(account: Account) -> Self {
        let Account {
            id,
            email,
            name,
            role,
            password_hash,
            epoch,
            created_at,
            updated_at,
            version,
        } = account;
        Self {
            id,
            email,
            name,
            role,
            password_hash,
            epoch,
            created_at,
            updated_at,
            version,
        }
    }
}

/// An account's fields without the password's hash.
#[derive(Deserialize)]
pub(super) struct UserRow {
    id: UserId,
    email: Email,
    name: Option<Name>,
    role: Role,
    pub(super) epoch: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
    version: u64,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        let UserRow {
            id,
            email,
            name,
            role,
            created_at,
            updated_at,
            version,
            ..
        } = row;
        Self {
            id,
            email,
            name,
            role,
            created_at,
            updated_at,
            version,
        }
    }
}
