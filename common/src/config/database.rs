//! `DATABASE_URL`: which store, and its address. Errors do not quote it: it may contain a password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// The default database of a MongoDB URL.
const DEFAULT_DATABASE: &str = "tasklane";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `dynamodb://`: the region's DynamoDB; region and credentials come from the environment.
    DynamoDb,
    /// `dynamodb://host:port`, or `dynamodb://accesskey@host:port`: a DynamoDB-compatible engine,
    /// over plain HTTP.
    DynamoDbAt(String),
    /// `mongodb://` or `mongodb+srv://`: a MongoDB server.
    MongoDb(MongoUrl),
    /// `sqlite://PATH`: a file, such as `sqlite://tasklane.db` or `sqlite:///var/lib/tasklane.db`.
    Sqlite(PathBuf),
}

/// A MongoDB connection string (https://www.mongodb.com/docs/manual/reference/connection-string/).
#[derive(Clone, PartialEq, Eq)]
pub struct MongoUrl {
    url: String,
    hosts: String,
    database: String,
}

impl MongoUrl {
    /// The connection string, including its credentials.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// The hosts of the URL, in lower case.
    pub fn hosts(&self) -> &str {
        &self.hosts
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    fn parse(text: &str, rest: &str, is_srv: bool) -> Result<Self, String> {
        let refused = |rule: &str| Err(rule.to_owned());
        let (place, _) = rest.split_once('?').unwrap_or((rest, ""));
        // In a password all of these must be percent-encoded, so the last @ ends the credentials.
        let (credentials, place) = place
            .rsplit_once('@')
            .map_or((None, place), |(credentials, place)| {
                (Some(credentials), place)
            });
        if credentials.is_some_and(|text| {
            text.contains(['/', '@', '[', ']'])
                || text.matches(':').count() > 1
                || !is_encoded(text)
        }) {
            return refused(
                "must have its user name and password percent-encoded: %40 for @, %3A for :, %2F for /, %25 for %",
            );
        }
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        if hosts.split(',').any(|host| !is_host(host)) {
            return refused(
                "must have a host, or hosts separated by commas, each with or without a port",
            );
        }
        if is_srv && hosts.contains([',', ':']) {
            return refused("must have one host without a port after mongodb+srv://");
        }
        let Ok(database) = percent_decode_str(database).decode_utf8() else {
            return refused("must have a database name in UTF-8");
        };
        let illegal = |c: char| c.is_control() || "/\\. \"$*<>:|?".contains(c);
        if database.len() > 63 || database.contains(illegal) {
            return refused(
                "must have a database name of at most 63 bytes with none of / \\ . \" $ * < > : | ? and no space in it",
            );
        }
        let database = if database.is_empty() {
            DEFAULT_DATABASE
        } else {
            &database
        };
        Ok(Self {
            url: text.to_owned(),
            hosts: hosts.to_ascii_lowercase(),
            database: database.to_owned(),
        })
    }
}

/// Shows neither the credentials nor the rest of the URL.
impl fmt::Debug for MongoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MongoUrl(database {})", self.database)
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("dynamodb://") {
            return dynamodb(rest);
        }
        if let Some(rest) = text.strip_prefix("mongodb://") {
            return MongoUrl::parse(text, rest, false).map(Self::MongoDb);
        }
        if let Some(rest) = text.strip_prefix("mongodb+srv://") {
            return MongoUrl::parse(text, rest, true).map(Self::MongoDb);
        }
        if let Some(path) = text.strip_prefix("sqlite://") {
            return sqlite(path);
        }
        Err("must start with sqlite://, dynamodb://, mongodb:// or mongodb+srv://".to_owned())
    }
}

/// The path is taken as it is: no character of it is decoded.
fn sqlite(path: &str) -> Result<DatabaseUrl, String> {
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err("must have the path of a file after sqlite://".to_owned());
    }
    Ok(DatabaseUrl::Sqlite(path.into()))
}

fn dynamodb(rest: &str) -> Result<DatabaseUrl, String> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Ok(DatabaseUrl::DynamoDb);
    }
    let (access_key, place) = rest.split_once('@').unwrap_or(("", rest));
    let is_key = access_key.bytes().all(|b| b.is_ascii_alphanumeric()) && !rest.starts_with('@');
    let plain = is_key
        && place
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    match place
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse::<u16>()))
    {
        Some((host, Ok(_))) if plain && !host.is_empty() => {
            Ok(DatabaseUrl::DynamoDbAt(rest.to_owned()))
        }
        _ => Err(
            "must be dynamodb:// alone, or with a host and a port: dynamodb://127.0.0.1:8000"
                .to_owned(),
        ),
    }
}

/// Whether every % starts a percent-encoded byte.
fn is_encoded(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

/// Whether this is a host with an optional port: a name, an address, or a percent-encoded path of a
/// socket.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an IPv6 address are inside brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._%".contains(&b);
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let good = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(plain),
    };
    good && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mongo(text: &str) -> Result<MongoUrl, String> {
        match text.parse()? {
            DatabaseUrl::MongoDb(url) => Ok(url),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_mongodb_url_names_its_database_or_means_tasklane() {
        for (text, database) in [
            ("mongodb://127.0.0.1:27017", "tasklane"),
            ("mongodb://127.0.0.1:27017/", "tasklane"),
            (
                "mongodb://a,b:27018,[::1]:27019/lane?replicaSet=rs0",
                "lane",
            ),
            (
                "mongodb+srv://ada:p%40ss@cluster0.example.net/lane%2Dtwo?authMechanism=MONGODB-AWS",
                "lane-two",
            ),
            ("mongodb://%2Ftmp%2Fmongodb-27017.sock/lane", "lane"),
            ("mongodb://db?tls=true", "tasklane"),
        ] {
            assert_eq!(
                mongo(text).map(|url| url.database().to_owned()),
                Ok(database.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn the_error_of_a_url_quotes_nothing_of_it() {
        for (text, rule) in [
            ("mongodb://ada:s3cret@", "a host"),
            ("mongodb://ada:s3cret@db:port/", "a host"),
            ("mongodb://ada:s3c@ret@db", "percent-encoded"),
            ("mongodb://ada:s3c/ret@db", "percent-encoded"),
            ("mongodb://ada:s3:cret@db", "percent-encoded"),
            ("mongodb://ada:s3cret%@db", "percent-encoded"),
            (
                "mongodb+srv://ada:s3cret@db:27017",
                "one host without a port",
            ),
            ("mongodb+srv://ada:s3cret@a,b", "one host without a port"),
            ("mongodb://ada:s3cret@db/a.b", "a database name"),
            ("mongo://ada:s3cret@db", "must start with"),
        ] {
            let error = text.parse::<DatabaseUrl>().expect_err(text);
            assert!(error.contains(rule), "{text}: {error}");
            assert!(!error.contains("s3c"), "{error}");
        }
    }

    #[test]
    fn debug_output_does_not_show_a_url() {
        let url: DatabaseUrl = "mongodb://ada:s3cret@db/lane".parse().expect("valid");
        assert_eq!(format!("{url:?}"), "MongoDb(MongoUrl(database lane))");
    }
}
