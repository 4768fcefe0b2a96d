//! The signing keys of a server that nobody gave any: a file in the data folder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use common::auth::SigningKeys;

/// The keys in this folder, which are made the first time.
///
/// # Errors
/// The file cannot be read or written, or it holds no keys.
pub fn load_or_create(folder: &Path) -> Result<SigningKeys, String> {
    let file = path(folder);
    match fs::read_to_string(&file) {
        Ok(json) => SigningKeys::parse(&json).map_err(|error| format!("{} {error}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let keys = SigningKeys::generate(&new_name()).map_err(|error| error.to_string())?;
            write(&file, &keys)?;
            Ok(keys)
        }
        Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
    }
}

/// Adds new keys, which sign from the next start on; tokens of the old ones stay valid.
///
/// # Errors
/// The file cannot be read or written, or it holds no keys.
pub fn rotate(folder: &Path) -> Result<PathBuf, String> {
    let mut keys = load_or_create(folder)?;
    keys.rotate(&new_name()).map_err(|error| error.to_string())?;
    write(&path(folder), &keys)?;
    Ok(path(folder))
}

fn path(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

/// Keys are named after the moment they were made.
fn new_name() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

/// Writes beside the file and renames, so that there is never half a file; only the owner may read it.
fn write(file: &Path, keys: &SigningKeys) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", file.display());
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let beside = file.with_extension(format!("new-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&beside).map_err(failed)?;
    new.write_all(keys.to_json().as_bytes()).and_then(|()| new.sync_all()).map_err(failed)?;
    fs::rename(&beside, file).map_err(failed)
}
