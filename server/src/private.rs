//! Files that only their owner may read: other users of the machine must not see data and keys.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Creates a folder and its parents, if missing.
///
/// # Errors
/// It cannot be created.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        std::fs::create_dir_all(above)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // Another process has just created it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| restrict(folder, 0o700)),
    }
}

/// Opens a file for writing, and creates it if missing. Existing content is kept.
///
/// # Errors
/// It cannot be created or written.
pub fn open_file(file: &Path) -> io::Result<File> {
    let is_new = !file.exists();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(file)?;
    if is_new {
        restrict(file, 0o600)?;
    }
    Ok(opened)
}

/// Warns about everything in a folder that other users may read, and how to change that. Existing
/// modes are not changed: they may be intended.
pub fn warn_about_others(folder: &Path) {
    let inside = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let open: Vec<String> = std::iter::once(folder.to_owned())
        .chain(inside)
        .filter(|path| others_may_use(path))
        .map(|path| path.display().to_string())
        .collect();
    if !open.is_empty() {
        eprintln!(
            "tasklane: warning: other users of this machine may use {}; to change that: chmod -R go= {}",
            open.join(", "),
            folder.display()
        );
    }
}

/// Sets the requested mode, whatever the process's umask removed.
#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(
        path,
        <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode),
    )
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn others_may_use(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_may_use(_: &Path) -> bool {
    false
}
