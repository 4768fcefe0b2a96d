//! The signing keys of a server without configured ones: a file in the data folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use common::auth::SigningKeys;
use common::time::{Clock, SystemClock, Timestamp};

use crate::private;

/// Loads the keys in this folder, and generates them the first time. Keys whose tokens have all
/// expired are left out. `sessions` is the longest lifetime of a session, and so of a refresh
/// token.
///
/// # Errors
/// The file cannot be read or written, or it contains no keys.
pub fn load_or_create(folder: &Path, sessions: Duration) -> anyhow::Result<SigningKeys> {
    let now = SystemClock.now();
    let mut keys = change(folder, |keys| {
        // Old files do not say when keys retired.
        keys.retire(now);
        Ok(())
    })?;
    keys.drop_ended(now, sessions);
    Ok(keys)
}

/// Adds new keys, which sign from the next start on. The old ones are kept as long as their tokens
/// are valid; with `revoke` they are removed at once, and all users must log in again. Returns the
/// file.
///
/// # Errors
/// The file cannot be read or written, or it contains no keys.
pub fn rotate(folder: &Path, sessions: Duration, revoke: bool) -> anyhow::Result<PathBuf> {
    change(folder, |keys| {
        let now = SystemClock.now();
        keys.rotate(&new_name(keys, now), now)?;
        keys.drop_ended(now, sessions);
        if revoke {
            keys.revoke();
        }
        Ok(())
    })?;
    Ok(path(folder))
}

/// Changes the keys, or new ones if there are none, under a lock against other processes. Unchanged
/// keys are not written.
fn change(
    folder: &Path,
    change: impl FnOnce(&mut SigningKeys) -> anyhow::Result<()>,
) -> anyhow::Result<SigningKeys> {
    let file = path(folder);
    let _locked = lock(folder).with_context(|| format!("{} cannot be locked", folder.display()))?;
    let before = match fs::read_to_string(&file) {
        Ok(json) => Some(json),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", file.display()));
        }
    };
    let mut keys = match &before {
        Some(json) => {
            SigningKeys::parse(json).map_err(|error| anyhow!("{} {error}", file.display()))?
        }
        None => SigningKeys::generate(&SystemClock.now().as_millisecond().to_string())?,
    };
    let written = keys.to_json();
    change(&mut keys)?;
    if before.is_none() || keys.to_json() != written {
        write(&file, &keys).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(keys)
}

/// Takes a lock, which is released when the returned file is dropped or the process ends.
fn lock(folder: &Path) -> std::io::Result<File> {
    private::create_folder(folder)?;
    let file = private::open_file(&folder.join("keys.lock"))?;
    file.lock()?;
    Ok(file)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

/// The name of new keys: the current time, made unique if two are created in the same millisecond.
fn new_name(keys: &SigningKeys, now: Timestamp) -> String {
    let taken = |name: &str| {
        keys.public()
            .keys
            .iter()
            .any(|key| key.kid == format!("sig-{name}"))
    };
    (now.as_millisecond()..)
        .map(|name| name.to_string())
        .find(|name| !taken(name))
        .unwrap_or_default()
}

/// Writes a new file and renames it, so that the file is always complete.
fn write(file: &Path, keys: &SigningKeys) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut new = private::open_file(&beside)?;
    new.write_all(keys.to_json().as_bytes())
        .and_then(|()| new.sync_all())?;
    fs::rename(&beside, file)
}
