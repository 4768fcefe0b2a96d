//! Creates, changes and deletes sets of keys as CloudFormation asks: see the crate's own words for why it is safe.

use std::time::Duration;

use common::aws::{ParameterError, Parameters};
use common::time::{Clock, SystemClock};

use crate::key_set::KeySet;
use crate::request::{Data, Outcome, Properties, Request};

/// What the parameters are called in the console.
const DESCRIPTION: &str = "Signing keys of Tasklane, made by the function make-keys. Not to be changed by hand.";
/// How often a call that is not allowed is repeated, a second apart: a role that was made a moment ago is not known
/// everywhere yet.
const ROLE_ATTEMPTS: u32 = 15;

/// Does what is asked, once however often it is.
pub(crate) async fn handle(request: &Request<'_>, parameters: &Parameters, sessions: Duration) -> Outcome {
    let keys = Keys { request, parameters, sessions };
    match request.kind() {
        "Delete" => {
            let result = keys.delete().await.map(|()| None);
            Outcome { physical_id: request.physical_id().to_owned(), result }
        }
        "Create" | "Update" => match keys.make().await {
            Ok((name, data)) => Outcome { physical_id: name, result: Ok(Some(data)) },
            Err(reason) => failed(request, reason),
        },
        _ => failed(request, "RequestType must be Create, Update or Delete".to_owned()),
    }
}

/// A failure replaces nothing: the resource keeps its name. One that was to be created gets the name that it would have
/// had, under which CloudFormation deletes it.
pub(crate) fn failed(request: &Request<'_>, reason: String) -> Outcome {
    let physical_id = match request.physical_id() {
        "" => request.folder().and_then(|folder| Ok(name(&folder, &request.properties()?))).unwrap_or_else(|_| "none".to_owned()),
        known => known.to_owned(),
    };
    Outcome { physical_id, result: Err(reason) }
}

fn name(folder: &str, properties: &Properties) -> String {
    format!("{folder}{}/{}", properties.epoch, properties.version)
}

struct Keys<'r> {
    request: &'r Request<'r>,
    parameters: &'r Parameters,
    sessions: Duration,
}

impl Keys<'_> {
    /// The set of the wanted properties: its name and its public keys.
    async fn make(&self) -> Result<(String, Data), String> {
        let (folder, properties) = (self.request.folder()?, self.request.properties()?);
        let wanted = name(&folder, &properties);
        let present = Some(self.request.physical_id()).filter(|present| present.starts_with(&folder));
        let made = match self.read(&wanted).await? {
            Some(set) => {
                if present == Some(wanted.as_str()) && self.request.changes_kms_key() {
                    self.write(&wanted, &set, &properties, true).await?;
                }
                self.belongs(&set, &wanted, present).await?;
                set
            }
            None => {
                let set = self.next(&folder, &properties, present).await?;
                match self.write(&wanted, &set, &properties, false).await? {
                    true => set,
                    // The same request, handled twice at once: what was written first holds.
                    false => self.read(&wanted).await?.ok_or("the keys were deleted while they were made")?,
                }
            }
        };
        Ok((wanted, Data { public_keys: made.public_keys()? }))
    }

    /// A set that is there already is this request's own, made when it came before; or the one that an update is undone
    /// to. Any other was left behind by accident: its keys are not known to the functions that run now.
    async fn belongs(&self, set: &KeySet, wanted: &str, present: Option<&str>) -> Result<(), String> {
        let Some(present) = present.filter(|present| *present != wanted) else { return Ok(()) };
        if set.made_from.as_deref() == Some(present) {
            return Ok(());
        }
        match self.read(present).await? {
            Some(now) if now.made_from.as_deref() == Some(wanted) => Ok(()),
            _ => Err("this KeyVersion was used before and its keys are still there: choose one that is new".to_owned()),
        }
    }

    /// The set after the present one; a new one when there is none, or when all is to be thrown away.
    async fn next(&self, folder: &str, properties: &Properties, present: Option<&str>) -> Result<KeySet, String> {
        let now = SystemClock.now();
        let Some(present) = present else { return KeySet::generate(now, None) };
        if !present.starts_with(&format!("{folder}{}/", properties.epoch)) {
            return KeySet::generate(now, Some(present.to_owned()));
        }
        let set = self.read(present).await?.ok_or("the present keys are gone; another KeyEpoch makes new ones")?;
        set.rotate(now, self.sessions, present.to_owned())
    }

    /// Deletes the set of the physical name. A resource whose creation was never answered has a name that CloudFormation
    /// gave it: its set is the one that its properties name.
    async fn delete(&self) -> Result<(), String> {
        let Ok(folder) = self.request.folder() else { return Ok(()) };
        let name = match (self.request.physical_id(), self.request.properties()) {
            (known, _) if known.starts_with(&folder) => known.to_owned(),
            (_, Ok(properties)) => name(&folder, &properties),
            // Nothing was made of such properties.
            (_, Err(_)) => return Ok(()),
        };
        match self.patiently(|| self.parameters.delete(&name)).await {
            Ok(()) | Err(ParameterError::NotFound) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn read(&self, name: &str) -> Result<Option<KeySet>, String> {
        match self.patiently(|| self.parameters.get(name)).await {
            Ok(json) => KeySet::parse(&json).map(Some),
            Err(ParameterError::NotFound) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether it was written: `false` when there is one and it is not to be overwritten.
    async fn write(&self, name: &str, set: &KeySet, properties: &Properties, overwrite: bool) -> Result<bool, String> {
        let (json, key) = (set.to_json()?, properties.kms_key.as_deref());
        match self.patiently(|| self.parameters.put(name, &json, DESCRIPTION, key, overwrite)).await {
            Ok(()) => Ok(true),
            Err(ParameterError::Exists) => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, ParameterError>
    where
        F: Future<Output = Result<T, ParameterError>>,
    {
        for _ in 1..ROLE_ATTEMPTS {
            match call().await {
                Err(ParameterError::Denied) => tokio::time::sleep(Duration::from_secs(1)).await,
                answer => return answer,
            }
        }
        call().await
    }
}
