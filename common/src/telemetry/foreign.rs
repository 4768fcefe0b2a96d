//! Events of other crates. Their warnings and errors contain information found nowhere else, but we
//! do not control their contents. So only level, target and a shortened message are written, and
//! never a field: fields contain requests, headers and credentials. Some messages are not written
//! at all.

use serde_json::{Map, Value};

use super::Level;
use super::output::Output;

/// The name of the event in all these lines.
const EVENT: &str = "library";

/// The longest message, in characters.
const LENGTH: usize = 300;

/// The folders of this workspace. Cargo compiles workspace members with paths relative to the
/// workspace and other crates with absolute paths. If a build changes the paths, our events lose
/// fields, and those of others gain none.
const OURS: [&str; 5] = ["bench", "common", "contract", "functions", "server"];

/// Targets that are never written, including everything below them.
const DROPPED: [&str; 7] = [
    // Prints lines of the credentials file that it cannot parse.
    "aws_runtime::env_config",
    // Prints an error that is replaced by another one, with the item that DynamoDB returned.
    "aws_smithy_runtime_api::client::interceptors",
    // The error of a handler, which we log where it happens.
    "lambda_runtime::layers::panic",
    // Prints the path of a request.
    "hyper_util::client::legacy::client",
    // A client of the server could cause a line with each frame that it sends.
    "h2::proto::ping_pong",
    // Reports at each failed call that our connector does not mark connections for closing. That is
    // intended.
    "aws_smithy_runtime::client::http::connection_poisoning",
    // Reports each failed condition, which is normal.
    "dynoxide",
];

pub(super) fn is_ours(file: Option<&str>) -> bool {
    file.and_then(|file| file.split(['/', '\\']).next())
        .is_some_and(|folder| OURS.contains(&folder))
}

/// Whether an event of another crate is written: warnings and errors, and info when the level is
/// debug. More detail is only for people who debug those crates.
pub(super) fn is_written(wanted: Level, level: Level, target: &str) -> bool {
    let most = match wanted {
        Level::Debug => Level::Info,
        wanted => wanted.min(Level::Warn),
    };
    let is_in = |dropped: &str| {
        target
            .strip_prefix(dropped)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    level <= most && !DROPPED.into_iter().any(is_in)
}

pub(super) fn print(output: &Output, level: Level, target: &str, message: Option<String>) {
    let message = message.map(|mut message| {
        if let Some((end, _)) = message.char_indices().nth(LENGTH) {
            message.truncate(end);
        }
        message
    });
    let fields = Map::from_iter([
        ("target".to_owned(), Value::from(target)),
        ("message".to_owned(), Value::from(message)),
    ]);
    output.print_event(level, EVENT, fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_other_crates_are_written_and_more_only_at_debug_level() {
        for (wanted, most) in [
            (Level::Error, Level::Error),
            (Level::Warn, Level::Warn),
            (Level::Info, Level::Warn),
            (Level::Debug, Level::Info),
        ] {
            for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
                assert_eq!(
                    is_written(wanted, level, "aws_smithy_runtime::client"),
                    level <= most,
                    "{level:?} where {wanted:?} is wanted"
                );
            }
        }
    }

    #[test]
    fn events_that_may_quote_a_secret_are_never_written() {
        let is_written = |target| is_written(Level::Debug, Level::Error, target);

        assert!(!is_written("aws_runtime::env_config"));
        assert!(!is_written("aws_runtime::env_config::normalize"));
        assert!(is_written("aws_runtime::env_configuration"));
        assert!(is_written("aws_runtime::auth"));
    }

    #[test]
    fn our_crates_are_those_of_this_workspace() {
        for ours in [
            "common/src/lambda.rs",
            "functions/auth/src/refresh_token.rs",
            "server\\src\\start.rs",
            file!(),
        ] {
            assert!(is_ours(Some(ours)), "{ours}");
        }

        for file in [
            Some("/root/.cargo/registry/src/index.crates.io-1/server-1.0.0/src/lib.rs"),
            Some("vendor/common/src/lib.rs"),
            Some("lambda_runtime-1.5.0/src/runtime.rs"),
            Some("commons/src/lib.rs"),
            Some(""),
            None,
        ] {
            assert!(!is_ours(file), "{file:?}");
        }
    }
}
