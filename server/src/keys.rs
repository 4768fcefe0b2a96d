//! The signing keys of a server that nobody gave any: a file in the data folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use common::auth::SigningKeys;
use common::time::{Clock, SystemClock, Timestamp};

use crate::private;

/// The keys in this folder, which are made the first time; those whose tokens have all ended are
/// left out. A session lives for `sessions` at most, and with it a refresh token.
///
/// # Errors
/// The file cannot be read or written, or it holds no keys.
pub fn load_or_create(folder: &Path, sessions: Duration) -> anyhow::Result<SigningKeys> {
    let now = SystemClock.now();
    let mut keys = change(folder, |keys| {
        // Files from before keys retired say nothing of the old ones.
        keys.retire(now);
        Ok(())
    })?;
    keys.drop_ended(now, sessions);
    Ok(keys)
}

/// Adds new keys, which sign from the next start on. The old ones are kept for as long as their
/// tokens live; with `revoke`, they go at once, and everybody logs in again. Gives the file.
///
/// # Errors
/// The file cannot be read or written, or it holds no keys.
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

/// Changes the keys, made anew if there are none, while no other process does. What is not changed
/// is not written.
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

/// A lock that ends with the file that is given: when it is dropped, or the process ends.
fn lock(folder: &Path) -> std::io::Result<File> {
    private::create_folder(folder)?;
    let file = private::open_file(&folder.join("keys.lock"))?;
    file.lock()?;
    Ok(file)
}

fn path(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

/// Keys are named after the moment they were made. Two in one millisecond have two names all the
/// same.
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

/// Writes beside the file and renames, so that there is never half a file.
fn write(file: &Path, keys: &SigningKeys) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut new = private::open_file(&beside)?;
    new.write_all(keys.to_json().as_bytes())
        .and_then(|()| new.sync_all())?;
    fs::rename(&beside, file)
}
