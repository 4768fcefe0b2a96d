//! Tables, collections and indexes: making and checking them, by a command or at a server's start.

use crate::config::{DatabaseUrl, Settings};
#[cfg(feature = "dynamodb")]
use crate::dynamodb::Table;

/// Makes what the database of the settings has to have before anything is stored in it, and tells
/// what was done. It can be run again, and while the database is in use.
///
/// # Errors
/// One line that says what cannot be done, and why.
pub async fn migrate(
    settings: &Settings,
    environment: &dyn Fn(&str) -> Option<String>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    match &settings.database {
        #[cfg(feature = "dynamodb")]
        DatabaseUrl::DynamoDb | DatabaseUrl::DynamoDbAt(_) => {
            let client = crate::dynamodb::connect(settings, environment)
                .await
                .map_err(|error| error.to_string())?;
            crate::dynamodb::migrate(&client, &tables(settings), tell).await
        }
        #[cfg(feature = "mongodb")]
        DatabaseUrl::MongoDb(url) => {
            let connection = crate::mongodb::Connection::new(url, settings, environment)
                .map_err(|error| error.to_string())?;
            crate::mongodb::migrate(&connection, super::mongodb::COLLECTIONS, tell)
                .await
                .map_err(|error| error.to_string())
        }
        #[cfg(not(all(feature = "dynamodb", feature = "mongodb")))]
        other => Err(super::without_driver(other).to_string()),
    }
}

/// Checks that the database of the settings answers and has its indexes, where that can be asked
/// without the right to change them: on MongoDB.
///
/// # Errors
/// One line that says what is missing and how to make it, or that the database does not answer.
pub async fn check(
    settings: &Settings,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(), String> {
    match &settings.database {
        #[cfg(feature = "mongodb")]
        DatabaseUrl::MongoDb(url) => {
            let connection = crate::mongodb::Connection::new(url, settings, environment)
                .map_err(|error| error.to_string())?;
            connection
                .warm_up(url)
                .await
                .map_err(|error| error.to_string())?;
            crate::mongodb::check(&connection, super::mongodb::COLLECTIONS)
                .await
                .map_err(|error| error.to_string())
        }
        _ => {
            let _ = environment;
            Ok(())
        }
    }
}

/// The tables of these settings.
#[cfg(feature = "dynamodb")]
pub fn tables(settings: &Settings) -> [Table; 2] {
    [
        Table {
            name: settings.users_table.clone(),
            indexes: &[],
        },
        // `by_rank` is reserved for lists that are put in order by hand.
        Table {
            name: settings.tasks_table.clone(),
            indexes: &[
                "by_created",
                "by_updated",
                "by_due",
                "by_priority",
                "by_rank",
            ],
        },
    ]
}
