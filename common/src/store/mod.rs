//! The stores that the domain's traits are implemented on: one module for each driver, each a cargo
//! feature.

#[cfg(not(any(feature = "dynamodb", feature = "mongodb")))]
compile_error!("there is no store without a driver: choose the feature dynamodb or mongodb");

#[cfg(all(feature = "dynamodb", feature = "mongodb"))]
pub mod copy;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod list_scan;
#[cfg(feature = "mongodb")]
pub mod mongodb;
mod rows;
mod schema;
mod task_keys;

#[cfg(feature = "dynamodb")]
pub use schema::tables;
pub use schema::{check, migrate};

use std::sync::Arc;

use crate::auth::{CounterStore, Session};
use crate::aws::Aws;
use crate::config::{DatabaseUrl, SettingError, Settings};
use crate::http::Part;
use crate::paging::{Cursor, Page};
use crate::problem::StoreError;
use crate::tasks::TaskStore;
use crate::users::{SESSION_ORDER, UserStore};

/// The stores that an app is made with.
#[derive(Clone, Default)]
pub struct Stores {
    pub users: Option<Arc<dyn UserStore>>,
    pub counters: Option<Arc<dyn CounterStore>>,
    pub tasks: Option<Arc<dyn TaskStore>>,
}

impl Stores {
    /// Connects to the database of the settings, for these parts of the app.
    ///
    /// # Errors
    /// A setting cannot be used. Whether the database answers is found out by using it.
    pub async fn connect(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<String>,
        needs: &dyn Fn(Part) -> bool,
    ) -> Result<Self, SettingError> {
        if !needs(Part::Users) && !needs(Part::Tasks) {
            return Ok(Self::default());
        }
        match &settings.database {
            #[cfg(feature = "dynamodb")]
            DatabaseUrl::DynamoDb | DatabaseUrl::DynamoDbAt(_) => Ok(Self::dynamodb(
                crate::dynamodb::connect(settings, environment).await?,
                settings,
                needs,
            )),
            #[cfg(feature = "mongodb")]
            DatabaseUrl::MongoDb(url) => {
                let connection =
                    Arc::new(crate::mongodb::Connection::new(url, settings, environment)?);
                connection.warm_up(url).await?;
                Ok(Self::mongodb(&connection, needs))
            }
            #[cfg(not(all(feature = "dynamodb", feature = "mongodb")))]
            other => Err(without_driver(other)),
        }
    }

    /// As `connect`, but over these connections where the database is the region's DynamoDB.
    ///
    /// # Errors
    /// A setting cannot be used. Whether the database answers is found out by using it.
    pub async fn connect_over(
        aws: &Aws,
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<String>,
        needs: &dyn Fn(Part) -> bool,
    ) -> Result<Self, SettingError> {
        match &settings.database {
            #[cfg(feature = "dynamodb")]
            DatabaseUrl::DynamoDb => Ok(Self::dynamodb(
                crate::dynamodb::client(aws),
                settings,
                needs,
            )),
            _ => {
                let _ = aws;
                Self::connect(settings, environment, needs).await
            }
        }
    }

    /// The stores on a DynamoDB client.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb(
        client: aws_sdk_dynamodb::Client,
        settings: &Settings,
        needs: &dyn Fn(Part) -> bool,
    ) -> Self {
        let users = needs(Part::Users)
            .then(|| Arc::new(dynamodb::Users::new(client.clone(), &settings.users_table)));
        let tasks = needs(Part::Tasks)
            .then(|| Arc::new(dynamodb::Tasks::new(client, &settings.tasks_table)));
        Self {
            counters: users.clone().map(|users| users as Arc<dyn CounterStore>),
            users: users.map(|users| users as Arc<dyn UserStore>),
            tasks: tasks.map(|tasks| tasks as Arc<dyn TaskStore>),
        }
    }

    /// The stores on a MongoDB connection.
    #[cfg(feature = "mongodb")]
    pub fn mongodb(
        connection: &Arc<crate::mongodb::Connection>,
        needs: &dyn Fn(Part) -> bool,
    ) -> Self {
        let users = needs(Part::Users).then(|| Arc::new(mongodb::Users::new(connection)));
        let tasks = needs(Part::Tasks).then(|| Arc::new(mongodb::Tasks::new(connection)));
        Self {
            counters: users.clone().map(|users| users as Arc<dyn CounterStore>),
            users: users.map(|users| users as Arc<dyn UserStore>),
            tasks: tasks.map(|tasks| tasks as Arc<dyn TaskStore>),
        }
    }
}

/// What a binary says that was built for another store.
#[cfg(not(all(feature = "dynamodb", feature = "mongodb")))]
fn without_driver(wanted: &DatabaseUrl) -> SettingError {
    let feature = if matches!(wanted, DatabaseUrl::MongoDb(_)) {
        "mongodb"
    } else {
        "dynamodb"
    };
    SettingError::new(
        "DATABASE_URL",
        format!(
            "asks for a store that this binary was built without: build it with the feature {feature}"
        ),
    )
}

/// A page of the sessions that were read; one that does not fit the types must not hide the rest.
/// `rest` is after which session reading goes on, if it stopped before the end.
fn session_page(
    sessions: impl Iterator<Item = Result<Session, StoreError>>,
    limit: usize,
    rest: Option<String>,
) -> Page<Session> {
    let mut items = Vec::new();
    for session in sessions {
        match session {
            Ok(session) => items.push(session),
            Err(error) => tracing::error!(cause = %error, "unreadable_session"),
        }
    }
    let next = if items.len() > limit {
        items.truncate(limit);
        items.last().map(|session| session.id.to_string())
    } else {
        rest
    };
    Page {
        items,
        next: next.map(|position| Cursor::new(SESSION_ORDER, &position)),
    }
}
