//! What is written of the crates below us. Their warnings and errors say what nothing else says,
//! but nobody here decides what is in them. So of each only level, target and message are written,
//! the message cut, and never a field: fields hold requests, headers and credentials. Some messages
//! are not written either.

use serde_json::{Map, Value};

use super::Level;
use super::output::Output;

/// The event's name in all these lines.
const EVENT: &str = "library";

/// How many characters of a message are written.
const LENGTH: usize = 300;

/// The folders of this workspace. Cargo compiles its own members with paths relative to the
/// workspace and other crates with absolute ones; where a build changes paths, our events lose
/// fields, and others' gain none.
const OURS: [&str; 5] = ["bench", "common", "contract", "functions", "server"];

/// Targets that are not written, with all below them.
const DROPPED: [&str; 7] = [
    // Prints lines of the file with credentials that it cannot parse.
    "aws_runtime::env_config",
    // Prints an error that another one replaces, with the item that DynamoDB returned.
    "aws_smithy_runtime_api::client::interceptors",
    // The error of a handler, which we log where it happens.
    "lambda_runtime::layers::panic",
    // Prints the path of a request.
    "hyper_util::client::legacy::client",
    // A client of the server could write a line with each frame that it sends.
    "h2::proto::ping_pong",
    // Says at each failed call that our connector marks no connections for closing. It does not.
    "aws_smithy_runtime::client::http::connection_poisoning",
    // Says each condition that did not hold, which is what conditions are for.
    "dynoxide",
];

pub(super) fn is_ours(file: Option<&str>) -> bool {
    file.and_then(|file| file.split(['/', '\\']).next())
        .is_some_and(|folder| OURS.contains(&folder))
}

/// Whether an event of another crate is written: from warnings on, and where debugging is wanted
/// what is told at info as well. More than that is for who debugs those crates.
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
    fn of_other_crates_warnings_are_written_and_more_only_where_debugging_is_wanted() {
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
    fn what_may_quote_a_secret_is_not_written_at_any_level() {
        let is_written = |target| is_written(Level::Debug, Level::Error, target);

        assert!(!is_written("aws_runtime::env_config"));
        assert!(!is_written("aws_runtime::env_config::normalize"));
        assert!(is_written("aws_runtime::env_configuration"));
        assert!(is_written("aws_runtime::auth"));
    }

    #[test]
    fn ours_is_what_is_compiled_from_this_workspace() {
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
