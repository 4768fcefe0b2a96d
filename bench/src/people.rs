//! Realistic accounts and tasks, the same in every run.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::anyhow;
use auth::{Account, Email, Session, Users};
use common::auth::{Client, NewPassword, PasswordHash, Passwords, SessionLifetimes, UserId};
use common::fields::Field;
use common::problem::Problem;
use common::time::{Clock, SystemClock, Timestamp};
use futures_util::{StreamExt, TryStreamExt};
use tasks::{Due, Label, Labels, Priority, Status, Task, TaskDraft, TaskId, Tasks};

pub(crate) const PASSWORD: &str = "a lane of tasks";

/// How many writes run in parallel while a store is filled.
const AT_ONCE: usize = 8;

/// The time between successive tasks of a list.
const STEP: Duration = Duration::from_mins(1);
const DAY: u64 = 24 * 60 * 60;

const VERBS: [&str; 8] = [
    "Call", "Write to", "Meet", "Remind", "Answer", "Thank", "Pay", "Invite",
];
const WHOM: [&str; 8] = [
    "the bank",
    "the school",
    "Ada and Charles",
    "the landlord",
    "the tax office",
    "the garden club",
    "the plumber",
    "grandmother",
];
const WHY: [&str; 8] = [
    "about the contract",
    "before the holidays",
    "and settle the bill",
    "about next year's plan",
    "with the new figures",
    "after the meeting",
    "about the keys",
    "and ask for a copy",
];
const LABELS: [&str; 12] = [
    "home", "work", "garden", "travel", "school", "money", "health", "family", "urgent", "waiting",
    "someday", "errand",
];

/// Pseudo-random numbers that are the same in every run (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    /// Creates dice from this seed, which must not be zero.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from zero up to `end`, exclusive.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let end = u128::try_from(end).unwrap_or(1);
        ((u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)) * end) >> 64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A list of tasks that were created a minute apart, the last one a minute ago.
///
/// # Errors
/// A text is not valid, which would be a bug here.
pub(crate) fn tasks(count: usize, now: Timestamp) -> anyhow::Result<Vec<Task>> {
    let mut dice = Dice::new(0x5EED);
    (0..count)
        .rev()
        .map(|ago| {
            task(
                &mut dice,
                now.minus(STEP * u32::try_from(ago + 1).unwrap_or(u32::MAX)),
                now,
            )
        })
        .collect::<Result<_, String>>()
        .map_err(anyhow::Error::msg)
}

fn task(dice: &mut Dice, created: Timestamp, now: Timestamp) -> Result<Task, String> {
    let title = format!(
        "{} {} {}",
        dice.one(&VERBS),
        dice.one(&WHOM),
        dice.one(&WHY)
    );
    let sentences = if dice.below(2) == 0 {
        0
    } else {
        1 + dice.below(6)
    };
    let notes = (0..sentences)
        .map(|_| {
            format!(
                "{} {} {}.",
                dice.one(&VERBS),
                dice.one(&WHOM),
                dice.one(&WHY)
            )
        })
        .collect::<Vec<_>>();
    let labels = (0..dice.below(4))
        .map(|_| dice.one(&LABELS))
        .collect::<BTreeSet<_>>();
    let draft = TaskDraft {
        title: title.parse()?,
        notes: if notes.is_empty() {
            None
        } else {
            Some(notes.join(" ").parse()?)
        },
        status: Some(match dice.below(20) {
            0..10 => Status::Todo,
            10..13 => Status::InProgress,
            13..19 => Status::Done,
            _ => Status::Cancelled,
        }),
        priority: Some(dice.one(Priority::ALL)),
        labels: Some(
            labels
                .into_iter()
                .map(str::parse)
                .collect::<Result<Vec<Label>, _>>()?
                .into_iter()
                .collect::<Labels>(),
        ),
        due: due(dice, now)?,
    };
    let task = draft.into_task(created);
    let changes = dice.below(3) as u64;
    let updated_at = created.plus(Duration::from_secs(changes * 15));
    Ok(Task {
        updated_at,
        version: 1 + changes,
        ..task
    })
}

/// Three of five tasks are due, within two months before or after now; one of four of them at a
/// time of day.
fn due(dice: &mut Dice, now: Timestamp) -> Result<Option<Due>, String> {
    if dice.below(5) < 2 {
        return Ok(None);
    }
    let at = now
        .minus(Duration::from_secs(60 * DAY))
        .plus(Duration::from_secs(dice.below(120 * 24 * 60) as u64 * 60));
    if dice.below(4) == 0 {
        Ok(Some(Due::At(at)))
    } else {
        Ok(Some(at.to_string()[..10].parse()?))
    }
}

/// The hash of [`PASSWORD`], computed once for all accounts.
///
/// # Errors
/// It cannot be computed.
pub(crate) async fn hash(passwords: &Passwords) -> anyhow::Result<PasswordHash> {
    let password = NewPassword::read(PASSWORD.into()).map_err(|faults| anyhow!("{faults:?}"))?;
    let hashed = async {
        passwords
            .admit(std::net::Ipv4Addr::LOCALHOST.into())?
            .hash(&password)
            .await
    };
    hashed
        .await
        .map_err(|problem: Problem| anyhow!("{problem:?}"))
}

/// The address of the account with this number.
pub(crate) fn address(number: usize) -> String {
    format!("person-{number}@example.com")
}

/// Adds accounts with this hash, each with a session.
///
/// # Errors
/// The store refuses.
pub(crate) async fn add_accounts(
    users: &Users,
    lifetimes: SessionLifetimes,
    hash: &PasswordHash,
    count: usize,
) -> anyhow::Result<Vec<Account>> {
    let now = SystemClock.now();
    let client = Client::new(Ipv4Addr::LOCALHOST.into(), Some("bench"));
    let registering = (0..count).map(|number| {
        let client = &client;
        async move {
            let email = Email::try_from(address(number)).map_err(anyhow::Error::msg)?;
            let account = Account::new(email, None, hash.clone(), now);
            let session = Session::start(&account, client, lifetimes, now);
            users.register(&account, &session).await?;
            anyhow::Ok(account)
        }
    });
    futures_util::stream::iter(registering)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

/// Adds tasks to an owner's list. Returns their identifiers.
///
/// # Errors
/// The store refuses.
pub(crate) async fn add_tasks(
    store: &Tasks,
    owner: UserId,
    tasks: &[Task],
) -> anyhow::Result<Vec<TaskId>> {
    let adding = tasks.iter().map(|task| async move {
        store
            .create(owner, task.clone(), None)
            .await
            .map(|task| task.id)
    });
    Ok(futures_util::stream::iter(adding)
        .buffered(AT_ONCE)
        .try_collect()
        .await?)
}
