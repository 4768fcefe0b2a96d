//! A demo account with a few tasks. Its identifiers are fixed, because the sample events in
//! `events/` use them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use auth::{Account, Email, Name, Session, Users};
use common::auth::{Client, NewPassword, Passwords, SessionId, SessionLifetimes, UserId};
use common::fields::Field;
use common::part::Starter;
use common::precondition::Precondition;
use common::problem::{Problem, StoreError};
use common::storage::copy::Side;
use common::time::{Clock, SystemClock, Timestamp};
use tasks::{Due, Label, Priority, Status, Task, TaskDraft, TaskId, Tasks, Title};
use uuid::Uuid;

pub const EMAIL: &str = "demo@tasklane.example";
/// The demo account's password in the data folder, which only this machine can reach; the sample
/// events use it. Elsewhere the password is random.
pub const PASSWORD: &str = "correct-horse-battery";

/// The demo data's identifiers differ only in their last byte.
const fn id(last: u8) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | last as u128)
}

/// Refuses a store that has accounts, but not the demo account: it is in real use.
///
/// # Errors
/// One line: that it is refused, or why the store cannot be read.
pub async fn check(starter: &Starter<'_>, everything: &Side) -> anyhow::Result<()> {
    let users: Users = starter.part().await?;
    if users.account(UserId::from_uuid(id(0x01))).await?.is_some() {
        return Ok(());
    }
    match everything.has_any(&auth::store::ACCOUNT).await {
        Ok(false) => Ok(()),
        Ok(true) => bail!(
            "{} has other accounts; seed --force adds the demo account to them",
            everything.name()
        ),
        Err(error) => Err(error.into()),
    }
}

/// Creates the demo account and its tasks, unless they exist.
///
/// # Errors
/// One line: why it cannot be created.
pub async fn seed(starter: &Starter<'_>, is_local: bool) -> anyhow::Result<String> {
    let users: Users = starter.part().await?;
    let tasks: Tasks = starter.part().await?;
    let lifetimes: SessionLifetimes = starter.part().await?;
    let now = SystemClock.now();
    let password = if is_local {
        PASSWORD.to_owned()
    } else {
        Uuid::new_v4().simple().to_string()
    };
    let passwords: Arc<Passwords> = starter.part().await?;
    let account = account(&passwords, &password, now)
        .await
        .map_err(|problem| anyhow!("{problem:?}"))?;
    let client = Client::new(std::net::Ipv4Addr::LOCALHOST.into(), Some("tasklane seed"));
    let session = |last| Session {
        id: SessionId::from_uuid(id(last)),
        ..Session::start(&account, &client, lifetimes, now)
    };
    match users.register(&account, &session(0xa1)).await {
        Err(StoreError::Refused(_)) => {
            return Ok(format!("The demo account {EMAIL} already exists."));
        }
        registered => registered?,
    }
    users.start_session(&session(0xa2)).await?;
    for demo in &TASKS {
        let draft = demo.draft(now).map_err(anyhow::Error::msg)?;
        // A minute apart, so that every order is visible.
        let created = now.minus(Duration::from_secs(60 * (0xd0 - u64::from(demo.id))));
        let task = Task {
            id: TaskId::from_uuid(id(demo.id)),
            ..draft.into_task(created)
        };
        tasks.create(account.id, task, None).await?;
    }
    tasks
        .trash(
            account.id,
            TaskId::from_uuid(id(0xc1)),
            &Precondition::Any,
            now,
        )
        .await?;
    Ok(format!(
        "Filled the demo account with {} tasks, one of them in the trash.\n  email     {EMAIL}\n  password  {password}",
        TASKS.len()
    ))
}

async fn account(
    passwords: &Passwords,
    password: &str,
    now: Timestamp,
) -> Result<Account, Problem> {
    let defect = |rule: String| Problem::internal(rule);
    let email = Email::try_from(EMAIL.to_owned()).map_err(defect)?;
    let name = Name::try_from("Demo".to_owned()).map_err(defect)?;
    let password = NewPassword::read(password.into())
        .map_err(|_| Problem::internal("the demo password is not valid"))?;
    let hash = passwords
        .admit(std::net::Ipv4Addr::LOCALHOST.into())?
        .hash(&password)
        .await?;
    let account = Account::new(email, Some(name), hash, now);
    Ok(Account {
        id: UserId::from_uuid(id(0x01)),
        ..account
    })
}

/// A task of the demo account.
struct DemoTask {
    /// The last byte of its identifier.
    id: u8,
    title: &'static str,
    notes: &'static str,
    status: Status,
    priority: Priority,
    labels: &'static [&'static str],
    due_in_days: Option<u64>,
}

const TASKS: [DemoTask; 6] = [
    DemoTask {
        id: 0xb1,
        title: "Read the README",
        notes: "Then try its *tour*.",
        status: Status::InProgress,
        priority: Priority::High,
        labels: &["tasklane"],
        due_in_days: Some(1),
    },
    DemoTask {
        id: 0xb2,
        title: "Open the docs page",
        notes: "It is at `/docs`.",
        status: Status::Todo,
        priority: Priority::Medium,
        labels: &["tasklane"],
        due_in_days: Some(2),
    },
    DemoTask {
        id: 0xb3,
        title: "Water the plants",
        notes: "The ficus twice.",
        status: Status::Todo,
        priority: Priority::Low,
        labels: &["home"],
        due_in_days: Some(3),
    },
    DemoTask {
        id: 0xb4,
        title: "Renew the passport",
        notes: "",
        status: Status::Todo,
        priority: Priority::Urgent,
        labels: &["home", "travel"],
        due_in_days: Some(30),
    },
    DemoTask {
        id: 0xb5,
        title: "Buy a bicycle bell",
        notes: "",
        status: Status::Done,
        priority: Priority::None,
        labels: &[],
        due_in_days: None,
    },
    DemoTask {
        id: 0xc1,
        title: "Something that was deleted",
        notes: "",
        status: Status::Cancelled,
        priority: Priority::None,
        labels: &[],
        due_in_days: None,
    },
];

impl DemoTask {
    fn draft(&self, now: Timestamp) -> Result<TaskDraft, String> {
        let notes = Some(self.notes).filter(|notes| !notes.is_empty());
        let labels = self.labels.iter().map(|label| label.parse::<Label>());
        let due = self.due_in_days.map(|days| {
            let at = now.plus(Duration::from_secs(days * 24 * 60 * 60));
            at.to_string()[..10].parse::<Due>()
        });
        Ok(TaskDraft {
            title: self.title.parse::<Title>()?,
            notes: notes.map(str::parse).transpose()?,
            status: Some(self.status),
            priority: Some(self.priority),
            labels: Some(labels.collect::<Result<_, _>>()?),
            due: due.transpose()?,
        })
    }
}
