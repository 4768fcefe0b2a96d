//! Identifiers: UUIDs with a type for each kind of resource.

use std::sync::Mutex;

use uuid::timestamp::context::ContextV7;
use uuid::{NoContext, Uuid};

use crate::time::Timestamp;

/// Keeps identifiers in order that one process creates within the same millisecond.
static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// A UUIDv7 (RFC 9562, section 5.7): sorts by `now`, then at random.
pub fn new_v7(now: Timestamp) -> Uuid {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let nanoseconds = u32::try_from(milliseconds % 1000).unwrap_or(0) * 1_000_000;
    match CONTEXT.lock() {
        Ok(context) => Uuid::new_v7(uuid::Timestamp::from_unix(
            &*context,
            milliseconds / 1000,
            nanoseconds,
        )),
        Err(_) => Uuid::new_v7(uuid::Timestamp::from_unix(
            NoContext,
            milliseconds / 1000,
            nanoseconds,
        )),
    }
}

/// Defines an identifier: a UUID in the hyphenated form of RFC 9562, section 4.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        #[schemars(transparent)]
        pub struct $name(#[schemars(with = "String", extend("format" = "uuid"))] uuid::Uuid);

        impl $name {
            /// A new identifier. Identifiers sort by their time.
            pub fn new(now: $crate::time::Timestamp) -> Self {
                Self($crate::id::new_v7(now))
            }

            pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }

            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match uuid::Uuid::try_parse(text) {
                    Ok(uuid) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(Self(uuid)),
                    _ => Err("must be a UUID, such as 0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55".to_owned()),
                }
            }
        }
    };
}
