//! An account's document: the account, which session outlives its epoch, and the last password
//! changes under a key.

use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};

use crate::{Account, Session, User};
use common::auth::{SessionId, UserId};
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::mongodb::{read, text_of, value, write};
use common::problem::StoreError;
use common::time::Timestamp;

/// How many password changes an account remembers at the most, of those in the last 24 hours.
const REMEMBERED: usize = 20;

/// An account as its document has it.
pub(super) struct StoredAccount {
    pub(super) account: Account,
    living: LivingSessions,
    /// The password changes that it remembers, the oldest first; expired ones may be among them.
    pub(super) once: Vec<OnceRow>,
}

/// An account without its password's hash: its owner, and which of its sessions live.
pub(super) struct Owner {
    pub(super) user: User,
    pub(super) living: LivingSessions,
}

/// What is not read of an account for [`Owner`].
pub(super) const NOT_THE_OWNERS: [&str; 2] = ["password_hash", "once"];

/// Which sessions an account has not ended.
pub(super) struct LivingSessions {
    epoch: u32,
    /// The session that ended all others last, and so lives though it began in an older epoch.
    kept: Option<SessionId>,
}

/// What an account says of its sessions.
#[derive(Deserialize)]
struct EpochRow {
    epoch: u32,
}

/// A password change that was executed under a key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OnceRow {
    pub(super) key: String,
    pub(super) fingerprint: String,
    /// In seconds.
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

/// Reads an account's document that was read without [`NOT_THE_OWNERS`].
pub(super) fn read_owner(document: Document) -> Result<Owner, StoreError> {
    let kept = kept_session(&document);
    let EpochRow { epoch } = read(document.clone())?;
    Ok(Owner {
        living: LivingSessions { epoch, kept },
        user: read(document)?,
    })
}

fn kept_session(document: &Document) -> Option<SessionId> {
    text_of(document, "kept_session").and_then(|session| session.parse().ok())
}

impl LivingSessions {
    /// Gives a session in the account's epoch, unless the account has ended it.
    pub(super) fn living(&self, session: Session) -> Option<Session> {
        let lives = session.epoch == self.epoch || self.kept == Some(session.id);
        lives.then_some(Session {
            epoch: self.epoch,
            ..session
        })
    }

    /// Describes the sessions of this account, whose they are, that it has not ended.
    pub(super) fn filter(&self, user: UserId) -> Document {
        let mut of_account = vec![doc! {"epoch": i64::from(self.epoch)}];
        of_account.extend(self.kept.map(|session| doc! {"_id": session.to_string()}));
        doc! {"user": user.to_string(), "$or": of_account}
    }
}

impl OnceRow {
    /// The row of this change.
    pub(super) fn new(once: &IdempotencyKey, expires_at: Timestamp) -> Self {
        Self {
            key: once.key.clone(),
            fingerprint: once.fingerprint.clone(),
            expires_at: expires_at.as_second(),
        }
    }
}

impl StoredAccount {
    /// Gives a session in the account's epoch, unless the account has ended it.
    pub(super) fn living(&self, session: Session) -> Option<Session> {
        self.living.living(session)
    }

    /// Whether this very password change was executed before.
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

    /// The update that ends every session but this one. It holds for the account as it was read:
    /// see [`Self::unchanged`].
    pub(super) fn keep_only(&self, session: SessionId) -> Document {
        doc! {"epoch": i64::from(self.account.epoch) + 1, "kept_session": session.to_string()}
    }

    /// The filter that describes the account as long as nobody has ended sessions or changed the
    /// password since.
    pub(super) fn unchanged(&self) -> Result<Document, StoreError> {
        Ok(doc! {
            "_id": self.account.id.to_string(),
            "epoch": i64::from(self.account.epoch),
            "password_hash": value(&self.account.password_hash)?,
        })
    }

    /// What the account remembers after a password change under this key.
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
    fn a_session_lives_in_its_accounts_epoch_or_as_the_one_that_was_kept() {
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
