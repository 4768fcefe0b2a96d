//! The database of `DATABASE_URL`, as a part: the stores of all services share this one connection.

#[cfg(any(feature = "mongodb", feature = "sqlite"))]
use std::sync::Arc;

use crate::aws::Aws;
use crate::config::{CA_FILE, DATABASE_URL, DatabaseUrl, IN_SECRET, Setting};
#[cfg(feature = "dynamodb")]
use crate::dynamodb;
#[cfg(feature = "mongodb")]
use crate::mongodb::Connection;
use crate::part::{Part, StartError, Starter, Unreadable};
#[cfg(feature = "sqlite")]
use crate::sqlite::Sqlite;

#[cfg(not(any(feature = "dynamodb", feature = "mongodb", feature = "sqlite")))]
compile_error!("a store needs a driver: choose the feature dynamodb, mongodb or sqlite");

#[derive(Clone)]
pub enum Database {
    #[cfg(feature = "dynamodb")]
    DynamoDb(aws_sdk_dynamodb::Client),
    #[cfg(feature = "mongodb")]
    MongoDb(Arc<Connection>),
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<Sqlite>),
}

impl Part for Database {
    fn settings() -> Vec<Setting> {
        [Aws::settings(), vec![DATABASE_URL, CA_FILE]].concat()
    }

    /// Does not check whether the database answers: the first use will.
    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        let environment = starter.environment;
        let given = environment.variable(DATABASE_URL.name).unwrap_or_default();
        let url = match given.trim().strip_prefix(IN_SECRET) {
            Some(arn) => {
                let url = read_secret(&starter.part().await?, arn).await;
                url.map_err(|cause| cause.of(DATABASE_URL, "no_database_url"))?
            }
            None => environment.get(&DATABASE_URL)?,
        };
        match url {
            #[cfg(feature = "dynamodb")]
            DatabaseUrl::DynamoDb => {
                let aws: Aws = starter.part().await?;
                let client = dynamodb::client(&aws);
                aws.https.opened().await;
                Ok(Self::DynamoDb(client))
            }
            #[cfg(feature = "dynamodb")]
            DatabaseUrl::DynamoDbAt(address) => {
                Ok(Self::DynamoDb(dynamodb::connect_to(&address, environment)?))
            }
            #[cfg(feature = "mongodb")]
            DatabaseUrl::MongoDb(url) => {
                let connection = Connection::new(&url, environment)?;
                connection.warm_up(&url).await?;
                Ok(Self::MongoDb(Arc::new(connection)))
            }
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) => {
                let opened = Sqlite::open(&path).map_err(|error| {
                    Unreadable::new(error.to_string()).of(DATABASE_URL, "no_database")
                });
                Ok(Self::Sqlite(Arc::new(opened?)))
            }
            #[cfg(not(all(feature = "dynamodb", feature = "mongodb", feature = "sqlite")))]
            other => Err(without_driver(&other).into()),
        }
    }
}

/// Reads the URL from this secret. An invalid one is read again at the next request: it may have
/// been fixed.
async fn read_secret(aws: &Aws, arn: &str) -> Result<DatabaseUrl, Unreadable> {
    let url = aws.secret(arn).await?;
    match url.trim().parse() {
        Ok(url @ DatabaseUrl::MongoDb(_)) => Ok(url),
        Ok(_) => Err(Unreadable::new("the secret must hold a MongoDB URL")),
        Err(rule) => Err(Unreadable::new(format!("what the secret holds {rule}"))),
    }
}

/// The error of a binary that was built without the driver of this database.
#[cfg(not(all(feature = "dynamodb", feature = "mongodb", feature = "sqlite")))]
fn without_driver(wanted: &DatabaseUrl) -> crate::config::SettingError {
    let feature = match wanted {
        DatabaseUrl::DynamoDb | DatabaseUrl::DynamoDbAt(_) => "dynamodb",
        DatabaseUrl::MongoDb(_) => "mongodb",
        DatabaseUrl::Sqlite(_) => "sqlite",
    };
    DATABASE_URL.error(format!(
        "asks for a store that this binary was built without: build it with the feature {feature}"
    ))
}
