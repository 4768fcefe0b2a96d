//! Accounts, addresses and sessions: items of one table, each kind with its own sort keys.

mod full_scan;
mod sessions;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use common::auth::{PasswordHash, SessionId, UserId};
use common::dynamodb::{
    Expression, Item, Transaction, call, failed, first_item, key, number, number_of, once_key,
    once_put, once_record, put, read, refused_item, replay, text, text_of, transact, update, write,
};
use common::fields::Change;
use common::idempotency::{IDEMPOTENCY_KEY_LIFETIME, IdempotencyKey};
use common::paging::{Cursor, Page};
use common::precondition::Precondition;
use common::problem::StoreError;
use common::time::Timestamp;
use uuid::Uuid;

use crate::problems::{THE_ADDRESS_IS_TAKEN, THE_PASSWORD_WAS_CHANGED, THE_SESSION_HAS_ENDED};
use crate::{
    Account, Email, LiveSession, Name, PasswordUpdate, Rotation, Session, User, UserStore,
};
pub(super) use full_scan::FullScan;
use sessions::{had_not_expired, session_item, session_key};

/// How often a password change is tried that conflicts with refreshes of its session.
const ATTEMPTS: u32 = 4;

#[derive(Clone, Debug)]
pub(super) struct UserTable {
    pub(super) client: Client,
    pub(super) table: String,
}

pub(super) fn user_key(user: UserId) -> String {
    format!("user#{user}")
}

pub(super) fn account_key(user: UserId) -> Item {
    key(user_key(user), "account")
}

pub(super) fn email_key(email: &Email) -> Item {
    key(format!("email#{}", email.canonical()), "email")
}

impl UserTable {
    pub(super) fn new(client: Client, table: &str) -> Self {
        Self {
            client,
            table: table.to_owned(),
        }
    }

    pub(super) async fn get(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .consistent_read(true);
        Ok(call("GetItem", request.send()).await.map_err(failed)?.item)
    }

    /// Only these attributes of an item.
    pub(super) async fn get_fields(
        &self,
        key: Item,
        fields: &[&str],
    ) -> Result<Option<Item>, StoreError> {
        let mut expression = Expression::default();
        let fields = expression.list_of(fields);
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .consistent_read(true)
            .projection_expression(fields)
            .set_expression_attribute_names(Some(expression.names));
        Ok(call("GetItem", request.send()).await.map_err(failed)?.item)
    }

    fn rename_request(
        &self,
        user: UserId,
        name: Option<&Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<UpdateItemFluentBuilder, StoreError> {
        let mut expression = Expression::default();
        match name {
            None => expression.remove("name"),
            Some(name) => {
                let value = serde_dynamo::to_attribute_value(name)
                    .map_err(|error| StoreError::Corrupt(error.into()))?;
                expression.set("name", value);
            }
        }
        expression.set("updated_at", text(now));
        expression.increase("version", 1);
        let pk = expression.name("pk");
        let condition = format!(
            "attribute_exists({pk}){}",
            expression.and_version(precondition)
        );
        Ok(self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(account_key(user)))
            .update_expression(expression.update())
            .condition_expression(condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            // All attributes would include the password's hash.
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    /// The writes that change a password and end every session except the one with this
    /// generation; the record of the idempotency key comes first.
    fn password_change(
        &self,
        change: &PasswordUpdate<'_>,
        generation: u32,
        once: Option<&IdempotencyKey>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let &PasswordUpdate {
            session,
            epoch,
            verified,
            new,
            now,
        } = change;
        let user = session.user;
        let mut parts = Vec::new();
        if let Some(once) = once {
            let ends = now.plus(IDEMPOTENCY_KEY_LIFETIME);
            let record = once_record(user_key(user), once, None, ends);
            parts.push(once_put(&self.table, record, now)?);
        }
        let mut account = Expression::default();
        account.set("password_hash", hash_value(new)?);
        account.set("epoch", number(epoch + 1));
        let (hash, known) = (account.name("password_hash"), account.name("epoch"));
        let (verified, epoch_value) = (
            account.value(hash_value(verified)?),
            account.value(number(epoch)),
        );
        let condition = format!("{hash} = {verified} AND {known} = {epoch_value}");
        parts.push(update(&self.table, account_key(user), &condition, account)?);
        parts.push(self.keep_session((user, session.id), epoch, Some(generation), now)?);
        Ok(parts)
    }
}

#[async_trait]
impl UserStore for UserTable {
    async fn register(&self, account: &Account, session: &Session) -> Result<(), StoreError> {
        let parts = vec![
            put(&self.table, address_item(account), None)?,
            put(&self.table, account_item(account)?, None)?,
            put(&self.table, session_item(session)?, None)?,
        ];
        match transact(&self.client, parts).await? {
            Transaction::Done => Ok(()),
            Transaction::Refused(_) => Err(StoreError::Refused(THE_ADDRESS_IS_TAKEN)),
        }
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let Some(address) = self.get(email_key(email)).await? else {
            // Read an account anyway, so that an unknown address takes the same time as a known
            // one.
            return self.account(UserId::from_uuid(Uuid::nil())).await;
        };
        let user = text_of(&address, "user").and_then(|user| user.parse().ok());
        self.account(
            user.ok_or_else(|| StoreError::Corrupt("an address without an account".into()))?,
        )
        .await
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.get(account_key(user)).await?.map(read).transpose()
    }

    async fn live_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<LiveSession, StoreError> {
        self.read_live_session(user, session, now).await
    }

    async fn rename(
        &self,
        user: &User,
        name: &Change<Name>,
        precondition: &Precondition,
        now: Timestamp,
    ) -> Result<User, StoreError> {
        let name = match name {
            Change::Keep => {
                return precondition.check(user.version).map(|()| user.clone());
            }
            Change::Clear => None,
            Change::Set(name) => Some(name.clone()),
        };
        let request = self.rename_request(user.id, name.as_ref(), precondition, now)?;
        match call("UpdateItem", request.send()).await {
            Ok(output) => {
                let version = number_of(&output.attributes.unwrap_or_default(), "version");
                let version = version
                    .ok_or_else(|| StoreError::Corrupt("an account without a version".into()))?;
                Ok(User {
                    name,
                    updated_at: now,
                    version,
                    ..user.clone()
                })
            }
            Err(error) => Err(match refused_item(&error) {
                Some(item) => number_of(&item, "version")
                    .map_or(StoreError::NotFound("account"), |current| {
                        StoreError::Stale { current }
                    }),
                None => failed(error),
            }),
        }
    }

    async fn replace_hash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.set("password_hash", hash_value(new)?);
        let (hash, verified) = (
            expression.name("password_hash"),
            expression.value(hash_value(old)?),
        );
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(account_key(user)))
            .update_expression(expression.update())
            .condition_expression(format!("{hash} = {verified}"))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values));
        match call("UpdateItem", request.send()).await {
            Err(error) if refused_item(&error).is_none() => Err(failed(error)),
            _ => Ok(()),
        }
    }

    async fn password_change_repeated(
        &self,
        user: UserId,
        once: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let record = self.get(key(user_key(user), once_key(once))).await?;
        Ok(record
            .map(|record| replay(record, once, now))
            .transpose()?
            .flatten()
            .is_some())
    }

    async fn change_password(
        &self,
        change: PasswordUpdate<'_>,
        once: Option<&IdempotencyKey>,
    ) -> Result<Session, StoreError> {
        let PasswordUpdate {
            session,
            epoch,
            now,
            ..
        } = change;
        let (user, mut current) = (session.user, session.clone());
        for _ in 0..ATTEMPTS {
            let parts = self.password_change(&change, current.generation, once)?;
            let Transaction::Refused(reasons) = transact(&self.client, parts).await? else {
                return Ok(Session {
                    epoch: epoch + 1,
                    generation: current.generation + 1,
                    previous: None,
                    ..current
                });
            };
            let repeated = match once.zip(first_item(&reasons)) {
                Some((once, record)) => replay(record, once, now)?
                    .ok_or(StoreError::StillRunning)
                    .map(|_| true)?,
                None => false,
            };
            // The reasons do not tell why the epochs differ: the session may have ended, or may
            // have ended the others itself.
            let stored = self
                .session_of_epoch(user, session.id, now)
                .await?
                .ok_or(StoreError::Refused(THE_SESSION_HAS_ENDED))?;
            if repeated {
                return Ok(stored);
            }
            if stored.epoch != epoch || stored.generation == current.generation {
                return Err(StoreError::Refused(THE_PASSWORD_WAS_CHANGED));
            }
            current = stored;
        }
        Err(StoreError::Unavailable(
            "the session was refreshed at every attempt".into(),
        ))
    }

    async fn start_session(&self, session: &Session) -> Result<(), StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(session_item(session)?));
        call("PutItem", request.send())
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn end_least_used_sessions(
        &self,
        session: &Session,
        most: usize,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.trim_sessions(session, most, now).await
    }

    async fn rotate(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        idle: Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        self.exchange((user, session), generation, idle, now).await
    }

    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(session_key(user, session)))
            .return_values(ReturnValue::AllOld);
        let ended = call("DeleteItem", request.send())
            .await
            .map_err(failed)?
            .attributes
            .unwrap_or_default();
        Ok(had_not_expired(&ended, now))
    }

    async fn end_other_sessions(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let epoch = self.epoch(user).await?;
        let mut account = Expression::default();
        account.set("epoch", number(epoch + 1));
        let (current, expected) = (account.name("epoch"), account.value(number(epoch)));
        let parts = vec![
            update(
                &self.table,
                account_key(user),
                &format!("{current} = {expected}"),
                account,
            )?,
            self.keep_session((user, session), epoch, None, now)?,
        ];
        match transact(&self.client, parts).await? {
            Transaction::Done => Ok(()),
            // Other sessions were ended at the same moment: either this session was among them, or
            // it was kept, which is the wanted result.
            Transaction::Refused(_) => match self.session_of_epoch(user, session, now).await? {
                None => Err(StoreError::Refused(THE_SESSION_HAS_ENDED)),
                Some(meanwhile) if meanwhile.epoch > epoch => Ok(()),
                Some(_) => Err(StoreError::Unavailable(
                    "the account was changed meanwhile".into(),
                )),
            },
        }
    }

    async fn sessions(
        &self,
        user: UserId,
        limit: usize,
        after: Option<&Cursor>,
        now: Timestamp,
    ) -> Result<Page<Session>, StoreError> {
        self.list_sessions(user, limit, after, now).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.get(key("ping", "ping")).await.map(drop)
    }
}

/// The item that maps an address to its account.
pub(super) fn address_item(account: &Account) -> Item {
    let mut item = email_key(&account.email);
    item.insert("user".to_owned(), text(account.id));
    item
}

pub(super) fn account_item(account: &Account) -> Result<Item, StoreError> {
    let mut item = write(account)?;
    item.extend(account_key(account.id));
    Ok(item)
}

fn hash_value(hash: &PasswordHash) -> Result<aws_sdk_dynamodb::types::AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(hash).map_err(|error| StoreError::Corrupt(error.into()))
}
