//! Creates, changes and deletes sets of keys as CloudFormation requests. The crate's documentation
//! explains why this is safe.

use std::time::Duration;

use common::aws::{Aws, CallError, KeyTable};
use common::time::{Clock, SystemClock};

use crate::key_set::KeySet;
use crate::request::{Data, Outcome, Properties, Request};

/// How often a denied call is retried, a second apart: a new role is not known everywhere at once.
const ROLE_ATTEMPTS: u32 = 15;

/// Handles a request. Repeating it changes nothing.
pub(crate) async fn handle(request: &Request<'_>, aws: &Aws, sessions: Duration) -> Outcome {
    let table = match (request.table(), request.kind()) {
        (Ok(table), _) => KeyTable::new(aws.clone(), table.to_owned()),
        // From a version that stored the keys elsewhere.
        (Err(_), "Delete") => {
            return Outcome {
                physical_id: request.physical_id().to_owned(),
                result: Ok(None),
            };
        }
        (Err(reason), _) => return failed(request, reason),
    };
    let keys = Keys {
        request,
        table,
        sessions,
    };
    match request.kind() {
        "Delete" => {
            let result = keys.delete().await.map(|()| None);
            Outcome {
                physical_id: request.physical_id().to_owned(),
                result,
            }
        }
        "Create" | "Update" => match keys.make().await {
            Ok((name, data)) => Outcome {
                physical_id: name,
                result: Ok(Some(data)),
            },
            Err(reason) => failed(request, reason),
        },
        _ => failed(
            request,
            "RequestType must be Create, Update or Delete".to_owned(),
        ),
    }
}

/// The outcome of a failed request. An existing resource keeps its name. A new one gets the name
/// that it would have had, so that CloudFormation deletes that set.
pub(crate) fn failed(request: &Request<'_>, reason: String) -> Outcome {
    let physical_id = match request.physical_id() {
        "" => request
            .properties()
            .map_or_else(|_| "none".to_owned(), |properties| properties.name()),
        known => known.to_owned(),
    };
    Outcome {
        physical_id,
        result: Err(reason),
    }
}

struct Keys<'r> {
    request: &'r Request<'r>,
    table: KeyTable,
    sessions: Duration,
}

impl Keys<'_> {
    /// Creates the set of the requested properties; returns its name and public keys.
    async fn make(&self) -> Result<(String, Data), String> {
        let properties = self.request.properties()?;
        let (wanted, present) = (properties.name(), self.request.present());
        let made = match self.read(&wanted).await? {
            Some(set) => {
                self.belongs(&set, &wanted, present).await?;
                set
            }
            None => {
                let set = self.next(&properties, present).await?;
                match self.write(&wanted, &set).await? {
                    true => set,
                    // The same request runs twice at the same time: the set that was written first
                    // counts.
                    false => self
                        .read(&wanted)
                        .await?
                        .ok_or("the keys were deleted while they were made")?,
                }
            }
        };
        Ok((
            wanted,
            Data {
                public_keys: made.public_keys()?,
            },
        ))
    }

    /// Checks an existing set. It is valid if an earlier run of this request created it, or if an
    /// update is being rolled back to it. Any other set is a leftover: the running functions do not
    /// know its keys.
    async fn belongs(
        &self,
        set: &KeySet,
        wanted: &str,
        present: Option<&str>,
    ) -> Result<(), String> {
        let Some(present) = present.filter(|present| *present != wanted) else {
            return Ok(());
        };
        if set.made_from.as_deref() == Some(present) {
            return Ok(());
        }
        match self.read(present).await? {
            Some(now) if now.made_from.as_deref() == Some(wanted) => Ok(()),
            _ => Err("this KeyVersion was used before and its keys are still there: choose one that is new".to_owned()),
        }
    }

    /// The set after the current one; a new one if there is none, or if all keys are to be
    /// replaced.
    async fn next(&self, properties: &Properties, present: Option<&str>) -> Result<KeySet, String> {
        let now = SystemClock.now();
        let Some(present) = present else {
            return KeySet::generate(now, None);
        };
        if !present.starts_with(&format!("{}/", properties.epoch)) {
            return KeySet::generate(now, Some(present.to_owned()));
        }
        let set = self
            .read(present)
            .await?
            .ok_or("the current keys are missing; another KeyEpoch creates new ones")?;
        set.rotate(now, self.sessions, present.to_owned())
    }

    /// Deletes the set of the physical name. A resource whose creation was never answered has a
    /// name from CloudFormation: its set is the one of its properties.
    async fn delete(&self) -> Result<(), String> {
        let name = match (self.request.present(), self.request.properties()) {
            (Some(present), _) => present.to_owned(),
            (None, Ok(properties)) => properties.name(),
            // Such properties never created a set.
            (None, Err(_)) => return Ok(()),
        };
        self.patiently(|| self.table.delete(&name))
            .await
            .map_err(|error| error.to_string())
    }

    async fn read(&self, name: &str) -> Result<Option<KeySet>, String> {
        let json = self
            .patiently(|| self.table.get(name))
            .await
            .map_err(|error| error.to_string())?;
        json.map(|json| KeySet::parse(&json)).transpose()
    }

    /// Writes a set; returns `false` if it exists.
    async fn write(&self, name: &str, set: &KeySet) -> Result<bool, String> {
        let json = set.to_json()?;
        self.patiently(|| self.table.put(name, &json))
            .await
            .map_err(|error| error.to_string())
    }

    async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        for _ in 1..ROLE_ATTEMPTS {
            match call().await {
                Err(CallError::Denied(_)) => tokio::time::sleep(Duration::from_secs(1)).await,
                answer => return answer,
            }
        }
        call().await
    }
}
