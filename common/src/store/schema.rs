//! Tables, collections and indexes: making and checking them, by a command or at a server's start.

use crate::config::{DatabaseUrl, Settings};

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
            let client = super::dynamodb::connect(settings, environment)
                .await
                .map_err(|error| error.to_string())?;
            super::dynamodb::migrate(&client, settings, tell).await
        }
        #[cfg(feature = "mongodb")]
        DatabaseUrl::MongoDb(url) => {
            let connection = super::mongodb::Connection::new(url, settings, environment)
                .map_err(|error| error.to_string())?;
            super::mongodb::migrate(&connection, tell)
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
            let connection = super::mongodb::Connection::new(url, settings, environment)
                .map_err(|error| error.to_string())?;
            connection
                .warm_up(url)
                .await
                .map_err(|error| error.to_string())?;
            super::mongodb::check(&connection)
                .await
                .map_err(|error| error.to_string())
        }
        _ => {
            let _ = environment;
            Ok(())
        }
    }
}
