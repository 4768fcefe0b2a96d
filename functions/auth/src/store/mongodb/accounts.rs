//! An account's document: the account, the session that was kept in the last epoch change, and the
//! latest password changes with a key.

use common::auth::{SessionId, UserId};
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::mongodb::{number_of, read, text_of, value, write};
use common::problem::StoreError;
use common::time::Timestamp;
use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use crate::{Account, Session, User};

/// The largest number of password changes that an account remembers, of the last 24 hours.
const REMEMBERED: usize = 20;

/// An account's document.
pub(super) struct StoredAccount {
    pub(super) account: Account,
    living: LivingSessions,
    /// The remembered password changes, oldest first; some may have expired.
    pub(super) once: Vec<OnceRow>,
}

/// An account without its password's hash: its owner, and which of its sessions live.
pub(super) struct Owner {
    pub(super) user: User,
    pub(super) living: LivingSessions,
}

/// The fields that are not read for [`Owner`].
pub(super) const NOT_THE_OWNERS: [&str; 2] = ["password_hash", "once"];

/// Which sessions an account has not ended.
pub(super) struct LivingSessions {
    epoch: u32,
    /// The session that last ended all others. It lives although it started in an older epoch.
    kept: Option<SessionId>,
}

/// A password change that was executed under a key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OnceRow {
    pub(super) key: String,
    pub(super) fingerprint: String,
    /// In seconds since 1970.
    pub(super) expires_at: i64,
}

pub(super) fn account_document(account: &Account) -> Result<Document, StoreError> {
    let mut document = write(account)?;
    document.insert("email_canonical", account.email.canonical());
    Ok(document)
}

pub(super) fn read_account(document: Document) -> Result<StoredAccount, StoreError> {
    let kept = kept_session(&document);
    let once = document
        .get("once")
        .cloned()
        .map(mongodb::bson::deserialize_from_bson)
        .transpose();
    let account: Account = read(document)?;
    Ok(StoredAccount {
        living: LivingSessions {
            epoch: account.epoch,
            kept,
        },
        once: once
            .map_err(|error| StoreError::Corrupt(error.into()))?
            .unwrap_or_default(),
        account,
    })
}

/// Reads an account's document without the fields [`NOT_THE_OWNERS`].
pub(super) fn read_owner(document: Document) -> Result<Owner, StoreError> {
    let kept = kept_session(&document);
    let epoch = number_of(&document, "epoch").and_then(|epoch| u32::try_from(epoch).ok());
    let epoch = epoch.ok_or_else(|| StoreError::Corrupt("an account without an epoch".into()))?;
    Ok(Owner {
        living: LivingSessions { epoch, kept },
        user: read(document)?,
    })
}

fn kept_session(document: &Document) -> Option<SessionId> {
    text_of(document, "kept_session").and_then(|session| session.parse().ok())
}

impl LivingSessions {
    /// Returns the session in the account's epoch, unless the account has ended it.
    pub(super) fn living(&self, session: Session) -> Option<Session> {
        let lives = session.epoch == self.epoch || self.kept == Some(session.id);
        lives.then_some(Session {
            epoch: self.epoch,
            ..session
        })
    }

    /// The filter for the sessions of this account that it has not ended.
    pub(super) fn filter(&self, user: UserId) -> Document {
        let mut of_account = vec![doc! {"epoch": i64::from(self.epoch)}];
        of_account.extend(self.kept.map(|session| doc! {"_id": session.to_string()}));
        doc! {"user": user.to_string(), "$or": of_account}
    }
}

impl OnceRow {
    pub(super) fn new(once: &IdempotencyKey, expires_at: Timestamp) -> Self {
        Self {
            key: once.key.clone(),
            fingerprint: once.fingerprint.clone(),
            expires_at: expires_at.as_second(),
        }
    }
}

impl StoredAccount {
    /// Returns the session in the account's epoch, unless the account has ended it.
    pub(super) fn living(&self, session: Session) -> Option<Session> {
        self.living.living(session)
    }

    /// Whether this password change was executed before.
    pub(super) fn repeats(
        &self,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        match self.remembered(now).find(|row| row.key == once.key) {
            Some(row) if row.fingerprint == once.fingerprint => Ok(true),
            Some(_) => Err(StoreError::KeyReused),
            None => Ok(false),
        }
    }

    /// The update that ends every session but this one. Use it with the filter [`Self::unchanged`].
    pub(super) fn keep_only(&self, session: SessionId) -> Document {
        doc! {"epoch": i64::from(self.account.epoch) + 1, "kept_session": session.to_string()}
    }

    /// The filter that matches the account only if nobody has ended sessions or changed the
    /// password since it was read.
    pub(super) fn unchanged(&self) -> Result<Document, StoreError> {
        Ok(doc! {
            "_id": self.account.id.to_string(),
            "epoch": i64::from(self.account.epoch),
            "password_hash": value(&self.account.password_hash)?,
        })
    }

    /// The password changes that the account remembers after one under this key.
    pub(super) fn remembering(
        &self,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<mongodb::bson::Bson, StoreError> {
        let row = OnceRow::new(once, now.plus(IDEMPOTENCY_KEY_LIFETIME));
        let kept = self.remembered(now).cloned().collect::<Vec<_>>();
        let rows: Vec<OnceRow> = kept
            .into_iter()
            .rev()
            .take(REMEMBERED - 1)
            .rev()
            .chain([row])
            .collect();
        value(&rows)
    }

    fn remembered(&self, now: Timestamp) -> impl Iterator<Item = &OnceRow> {
        self.once
            .iter()
            .filter(move |row| row.expires_at > now.as_second())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Email;

    fn stored(once: mongodb::bson::Bson) -> StoredAccount {
        let hash = mongodb::bson::deserialize_from_bson("$argon2id$".into()).expect("a hash");
        let email = Email::try_from("ada@example.com".to_owned()).expect("an address");
        let account = Account::new(email, None, hash, Timestamp::from_millisecond(0));
        let mut document = account_document(&account).expect("a document");
        document.insert("once", once);
        read_account(document).expect("an account")
    }

    fn once(key: &str) -> IdempotencyKey {
        IdempotencyKey {
            key: key.to_owned(),
            fingerprint: format!("of {key}"),
        }
    }

    #[test]
    fn the_last_password_changes_are_remembered_for_a_day() {
        let now = Timestamp::from_millisecond(1_000_000);
        let mut account = stored(mongodb::bson::Bson::Array(Vec::new()));
        for at in 0..30 {
            account = stored(
                account
                    .remembering(&once(&at.to_string()), now)
                    .expect("a value"),
            );
        }

        assert_eq!(account.once.len(), REMEMBERED);
        assert!(!account.repeats(&once("9"), now).expect("an answer"));
        assert!(account.repeats(&once("10"), now).expect("an answer"));

        let another = IdempotencyKey {
            fingerprint: "another".to_owned(),
            ..once("29")
        };
        assert!(matches!(
            account.repeats(&another, now),
            Err(StoreError::KeyReused)
        ));

        let later = now.plus(IDEMPOTENCY_KEY_LIFETIME);
        assert!(
            account
                .repeats(&once("29"), later.minus(Duration::from_secs(1)))
                .expect("an answer")
        );
        assert!(!account.repeats(&once("29"), later).expect("an answer"));
    }

    #[test]
    fn a_session_is_alive_in_its_accounts_epoch_or_if_it_was_kept() {
        let now = Timestamp::from_millisecond(0);
        let mut account = stored(mongodb::bson::Bson::Array(Vec::new()));
        let lifetimes = common::auth::SessionLifetimes {
            idle: Duration::from_secs(60),
            absolute: Duration::from_secs(60),
        };
        let client = common::auth::Client::new(std::net::Ipv4Addr::LOCALHOST.into(), None);
        let session = || Session::start(&account.account, &client, lifetimes, now);
        let kept = session();
        let other = session();

        assert!(account.living(other.clone()).is_some());

        account.living = LivingSessions {
            epoch: 1,
            kept: Some(kept.id),
        };
        assert_eq!(account.living(kept).map(|session| session.epoch), Some(1));
        assert!(account.living(other).is_none());
    }
}
