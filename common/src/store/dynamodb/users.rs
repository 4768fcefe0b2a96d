//! Accounts, addresses, sessions and counters: items of one table, each kind with sort keys of its own.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::client::{call, failed};
use super::items::{Expression, Item, key, number, number_of, once_key, once_record, read, replay, text, text_of, write};
use super::writes::{Transaction, first_item, once_put, put, refused_item, transact, update};
use crate::auth::{CounterStore, PasswordHash, Refused, Rotation, Session, SessionId};
use crate::contract::{Cursor, IfMatch, ONCE_LIFETIME, Once, Page};
use crate::fields::Change;
use crate::problem::StoreError;
use crate::store::rows::AccountRow;
use crate::store::session_page;
use crate::time::Timestamp;
use crate::users::{Account, Email, Name, PasswordUpdate, UserId, UserStore};

/// How many sessions one page reads at the most, ended ones included.
const SESSION_READS: i32 = 500;

/// Accounts and sessions on DynamoDB.
#[derive(Clone, Debug)]
pub struct Users {
    client: Client,
    table: String,
}

/// A session's item. `expires_at` is what DynamoDB's TTL looks at.
#[derive(Serialize, Deserialize)]
struct SessionRow {
    id: SessionId,
    user: UserId,
    generation: u32,
    epoch: u32,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: i64,
    ends_at: i64,
    user_agent: Option<String>,
}

pub(super) fn user_key(user: UserId) -> String {
    format!("user#{user}")
}

pub(super) fn account_key(user: UserId) -> Item {
    key(user_key(user), "account")
}

fn session_sk(session: SessionId) -> String {
    format!("session#{session}")
}

pub(super) fn session_key(user: UserId, session: SessionId) -> Item {
    key(user_key(user), session_sk(session))
}

pub(super) fn email_key(email: &Email) -> Item {
    key(format!("email#{}", email.canonical()), "email")
}

impl Users {
    /// Accounts in this table.
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }

    async fn get(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        Ok(call("GetItem", request.send()).await.map_err(failed)?.item)
    }

    async fn epoch(&self, user: UserId) -> Result<u32, StoreError> {
        let account = self.get(account_key(user)).await?.ok_or(StoreError::SessionEnded)?;
        number_of(&account, "epoch").ok_or_else(|| StoreError::Corrupt("an account without an epoch".into()))
    }

    /// The session with its account, unless the account has ended it.
    async fn with_account(&self, session: Session) -> Result<Option<(Session, Account)>, StoreError> {
        let Some(account) = self.account(session.user).await? else { return Ok(None) };
        if account.epoch == session.epoch {
            return Ok(Some((session, account)));
        }
        // One that ended all others after it was read has moved on with its account.
        let Some(item) = self.get(session_key(session.user, session.id)).await? else { return Ok(None) };
        let moved_on = read_session(item)?.epoch == account.epoch;
        Ok(moved_on.then_some((Session { epoch: account.epoch, ..session }, account)))
    }

    /// Moves a session on to the account's next epoch, if it has not ended.
    fn keep_session(&self, user: UserId, session: SessionId, epoch: u32, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let mut expression = Expression::default();
        expression.set("epoch", number(epoch + 1));
        let current = expression.name("epoch");
        let (lives, epoch) = (lives(&mut expression, now), expression.value(number(epoch)));
        update(&self.table, session_key(user, session), &format!("{current} = {epoch} AND {lives}"), expression)
    }

    /// The epoch that a session is of, and whether that is its account's: whether the session lives.
    async fn session_epoch(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<Option<u32>, StoreError> {
        // In this order, because only a session that lives is moved on: one that is behind by now has ended.
        let account = self.epoch(user).await?;
        let Some(item) = self.get(session_key(user, session)).await? else { return Ok(None) };
        let session = read_session(item)?;
        Ok((session.expires_at > now && session.epoch >= account).then_some(session.epoch))
    }
}

/// The condition that a session has not expired. Its idle end alone does not tell: refreshing moves it on past the
/// absolute one.
fn lives(expression: &mut Expression, now: Timestamp) -> String {
    let (expires, ends) = (expression.name("expires_at"), expression.name("ends_at"));
    let seconds = expression.value(number(now.as_second()));
    format!("{expires} > {seconds} AND {ends} > {seconds}")
}

#[async_trait]
impl UserStore for Users {
    async fn register(&self, account: &Account, session: &Session) -> Result<(), StoreError> {
        let parts = vec![
            put(&self.table, address_item(account), None)?,
            put(&self.table, account_item(account)?, None)?,
            put(&self.table, session_item(session)?, None)?,
        ];
        match transact(&self.client, parts).await? {
            Transaction::Done => Ok(()),
            Transaction::Refused(_) => Err(StoreError::AddressTaken),
        }
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let Some(address) = self.get(email_key(email)).await? else { return Ok(None) };
        let user = text_of(&address, "user").and_then(|user| user.parse().ok());
        self.account(user.ok_or_else(|| StoreError::Corrupt("an address without an account".into()))?).await
    }

    async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.get(account_key(user)).await?.map(|item| read::<AccountRow>(item).map(Account::from)).transpose()
    }

    async fn rename(&self, user: UserId, name: &Change<Name>, if_match: &IfMatch, now: Timestamp) -> Result<Account, StoreError> {
        let mut expression = Expression::default();
        match name {
            Change::Keep => {
                let account = self.account(user).await?.ok_or(StoreError::NotFound("account"))?;
                return if if_match.allows(account.version) { Ok(account) } else { Err(StoreError::Stale { current: account.version }) };
            }
            Change::Clear => expression.remove("name"),
            Change::Set(name) => {
                expression.set("name", serde_dynamo::to_attribute_value(name).map_err(|error| StoreError::Corrupt(error.into()))?)
            }
        }
        expression.set("updated_at", text(now));
        expression.increase("version", 1);
        let pk = expression.name("pk");
        let condition = format!("attribute_exists({pk}){}", expression.and_version(if_match));
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(account_key(user)))
            .update_expression(expression.update())
            .condition_expression(condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call("UpdateItem", request.send()).await {
            Ok(output) => read::<AccountRow>(output.attributes.unwrap_or_default()).map(Account::from),
            Err(error) => Err(match refused_item(&error) {
                Some(item) => number_of(&item, "version").map_or(StoreError::NotFound("account"), |current| StoreError::Stale { current }),
                None => failed(error),
            }),
        }
    }

    async fn replace_hash(&self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> Result<(), StoreError> {
        let mut expression = Expression::default();
        expression.set("password_hash", hash_value(new)?);
        let (hash, verified) = (expression.name("password_hash"), expression.value(hash_value(old)?));
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

    async fn password_change_repeated(&self, user: UserId, once: &Once, now: Timestamp) -> Result<bool, StoreError> {
        let record = self.get(key(user_key(user), once_key(once))).await?;
        Ok(record.map(|record| replay(record, once, now)).transpose()?.flatten().is_some())
    }

    async fn change_password(&self, change: PasswordUpdate<'_>, once: Option<&Once>) -> Result<(), StoreError> {
        let PasswordUpdate { user, session, epoch, verified, new, now } = change;
        let mut account = Expression::default();
        account.set("password_hash", hash_value(new)?);
        account.set("epoch", number(epoch + 1));
        let (hash, current) = (account.name("password_hash"), account.name("epoch"));
        let (verified, epoch_value) = (account.value(hash_value(verified)?), account.value(number(epoch)));
        let condition = format!("{hash} = {verified} AND {current} = {epoch_value}");
        let mut parts = vec![update(&self.table, account_key(user), &condition, account)?, self.keep_session(user, session, epoch, now)?];
        if let Some(once) = once {
            parts.insert(0, once_put(&self.table, once_record(user_key(user), once, None, now.plus(ONCE_LIFETIME)), now)?);
        }
        let Transaction::Refused(reasons) = transact(&self.client, parts).await? else { return Ok(()) };
        if let Some(once) = once
            && let Some(record) = first_item(&reasons)
        {
            return replay(record, once, now)?.map(drop).ok_or(StoreError::StillRunning);
        }
        // The reasons do not tell why the epochs were others: the session may have ended, or may have moved on itself.
        Err(match self.session_epoch(user, session, now).await? {
            None => StoreError::SessionEnded,
            Some(_) => StoreError::PasswordChanged,
        })
    }

    async fn start_session(&self, session: &Session) -> Result<(), StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(session_item(session)?));
        call("PutItem", request.send()).await.map(drop).map_err(failed)
    }

    async fn rotate(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        idle: Duration,
        now: Timestamp,
    ) -> Result<Rotation, StoreError> {
        let mut expression = Expression::default();
        expression.set("generation", number(generation.saturating_add(1)));
        expression.set("last_used_at", text(now));
        expression.set("expires_at", number(now.plus(idle).as_second()));
        let current = expression.name("generation");
        let (lives, presented) = (lives(&mut expression, now), expression.value(number(generation)));
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(session_key(user, session)))
            .update_expression(expression.update())
            .condition_expression(format!("{current} = {presented} AND {lives}"))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let item = match call("UpdateItem", request.send()).await {
            Ok(output) => {
                let rotated = self.with_account(read_session(output.attributes.unwrap_or_default())?).await?;
                return Ok(rotated.map_or(Rotation::Ended, |(session, account)| Rotation::Rotated(session, account)));
            }
            Err(error) => match refused_item(&error) {
                Some(item) if item.is_empty() => return Ok(Rotation::Ended),
                Some(item) => item,
                None => return Err(failed(error)),
            },
        };
        let session = read_session(item)?;
        match session.refused(generation, now) {
            Refused::Ended => Ok(Rotation::Ended),
            Refused::JustBefore => {
                let repeated = self.with_account(session).await?;
                Ok(repeated.map_or(Rotation::Ended, |(session, account)| Rotation::Repeated(session, account)))
            }
            Refused::Reused => self.end_session(user, session.id, now).await.map(|_| Rotation::Stolen),
        }
    }

    async fn end_session(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let request =
            self.client.delete_item().table_name(&self.table).set_key(Some(session_key(user, session))).return_values(ReturnValue::AllOld);
        let ended = call("DeleteItem", request.send()).await.map_err(failed)?.attributes.unwrap_or_default();
        Ok(["expires_at", "ends_at"].iter().all(|end| number_of::<i64>(&ended, end).is_some_and(|end| end > now.as_second())))
    }

    async fn end_other_sessions(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<(), StoreError> {
        let epoch = self.epoch(user).await?;
        let mut account = Expression::default();
        account.set("epoch", number(epoch + 1));
        let (current, expected) = (account.name("epoch"), account.value(number(epoch)));
        let parts = vec![
            update(&self.table, account_key(user), &format!("{current} = {expected}"), account)?,
            self.keep_session(user, session, epoch, now)?,
        ];
        match transact(&self.client, parts).await? {
            Transaction::Done => Ok(()),
            // Other sessions were ended at the same moment: this one among them, or on behalf of this very one, which is
            // what was asked for.
            Transaction::Refused(_) => match self.session_epoch(user, session, now).await? {
                None => Err(StoreError::SessionEnded),
                Some(meanwhile) if meanwhile > epoch => Ok(()),
                Some(_) => Err(StoreError::Unavailable("the account was changed meanwhile".into())),
            },
        }
    }

    async fn sessions(&self, user: UserId, limit: usize, after: Option<&Cursor>, now: Timestamp) -> Result<Page<Session>, StoreError> {
        let epoch = self.epoch(user).await?;
        let mut expression = Expression::default();
        let (pk, sk) = (expression.name("pk"), expression.name("sk"));
        let (current, lives) = (expression.name("epoch"), lives(&mut expression, now));
        let (owner, prefix) = (expression.value(text(user_key(user))), expression.value(text("session#")));
        let epoch = expression.value(number(epoch));
        // Only a position that names a session is one.
        let start = after.and_then(|cursor| cursor.position.parse().ok()).map(|session| session_key(user, session));
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression(format!("{pk} = {owner} AND begins_with({sk}, {prefix})"))
            .filter_expression(format!("{current} = {epoch} AND {lives}"))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .limit(SESSION_READS)
            .set_exclusive_start_key(start);
        let output = call("Query", request.send()).await.map_err(failed)?;
        let rest = output.last_evaluated_key.as_ref().and_then(|last| text_of(last, "sk")).and_then(|sk| sk.strip_prefix("session#"));
        let rest = rest.map(str::to_owned);
        Ok(session_page(output.items.unwrap_or_default().into_iter().map(read_session), limit, rest))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.get(key("ping", "ping")).await.map(drop)
    }
}

#[async_trait]
impl CounterStore for Users {
    async fn add(&self, counter: &str, amount: i64, expires_at: Timestamp) -> Result<i64, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(format!("limit#{counter}"), "limit")))
            .update_expression("ADD #count :amount SET expires_at = :expires_at")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":amount", number(amount))
            .expression_attribute_values(":expires_at", number(expires_at.as_second()))
            // Not the updated ones alone: an engine may leave out a count that nothing was added to.
            .return_values(ReturnValue::AllNew);
        let output = call("UpdateItem", request.send()).await.map_err(failed)?;
        number_of(&output.attributes.unwrap_or_default(), "count").ok_or_else(|| StoreError::Corrupt("a counter without a count".into()))
    }
}

/// What leads from an address to its account.
pub(super) fn address_item(account: &Account) -> Item {
    let mut item = email_key(&account.email);
    item.insert("user".to_owned(), text(account.id));
    item
}

pub(super) fn account_item(account: &Account) -> Result<Item, StoreError> {
    let mut item = write(&AccountRow::from(account.clone()))?;
    item.extend(account_key(account.id));
    Ok(item)
}

pub(super) fn session_item(session: &Session) -> Result<Item, StoreError> {
    let mut item = write(&SessionRow {
        id: session.id,
        user: session.user,
        generation: session.generation,
        epoch: session.epoch,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at.as_second(),
        ends_at: session.ends_at.as_second(),
        user_agent: session.user_agent.clone(),
    })?;
    item.extend(session_key(session.user, session.id));
    Ok(item)
}

pub(super) fn read_session(item: Item) -> Result<Session, StoreError> {
    let row: SessionRow = read(item)?;
    let ends_at = Timestamp::from_millisecond(row.ends_at.saturating_mul(1000));
    Ok(Session {
        id: row.id,
        user: row.user,
        generation: row.generation,
        epoch: row.epoch,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        // Every refresh moves the idle end on, but nothing moves the absolute one.
        expires_at: Timestamp::from_millisecond(row.expires_at.saturating_mul(1000)).earlier_of(ends_at),
        ends_at,
        user_agent: row.user_agent,
    })
}

fn hash_value(hash: &PasswordHash) -> Result<aws_sdk_dynamodb::types::AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(hash).map_err(|error| StoreError::Corrupt(error.into()))
}
