//! A disk that loses what was not synced.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A disk writes a sector as a whole.
const SECTOR: usize = 512;

/// The data folder, and what `power_loss.c` recorded of it.
pub(crate) struct Disk {
    pub(crate) data: PathBuf,
    pub(crate) shadow: PathBuf,
}

impl Disk {
    pub(crate) fn new(folder: &Path) -> Self {
        let [data, shadow] = [".tasklane", "shadow"].map(|name| folder.join(name));
        fs::create_dir(&shadow).expect("a folder");
        Self { data, shadow }
    }

    /// Whether the database has pages that were not synced.
    pub(crate) fn has_unsynced_pages(&self) -> bool {
        let file = self.data.join("tasklane.db");
        fs::read(&file).expect("the database") != self.synced(inode(&file))
    }

    /// Leaves what was synced. Of the other sectors those survive that `seed` selects, or none.
    pub(crate) fn lose_power(&self, seed: Option<u64>) {
        let latest: BTreeMap<u64, Vec<u8>> = self
            .files()
            .map(|file| (inode(&file), fs::read(&file).expect("a file")))
            .collect();
        let names = fs::read_to_string(self.shadow.join("names")).expect("the folder was synced");
        for file in self.files() {
            fs::remove_file(file).expect("removed");
        }
        for line in names.lines() {
            let (number, name) = line.split_once(' ').expect("a number and a name");
            let number = number.parse().expect("a number");
            let synced = self.synced(number);
            let content = match (seed, latest.get(&number)) {
                (Some(seed), Some(latest)) => some_sectors(&synced, latest, seed),
                _ => synced,
            };
            fs::write(self.data.join(name), content).expect("written");
        }
        self.record_all();
    }

    /// Everything on the disk is synced.
    fn record_all(&self) {
        fs::remove_dir_all(&self.shadow).expect("removed");
        fs::create_dir(&self.shadow).expect("a folder");
        let mut names = String::new();
        for file in self.files() {
            let number = inode(&file);
            fs::copy(&file, self.shadow.join(number.to_string())).expect("a copy");
            let name = file.file_name().expect("a name").to_string_lossy();
            names += &format!("{number} {name}\n");
        }
        fs::write(self.shadow.join("names"), names).expect("written");
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.data).expect("the data folder");
        entries.map(|entry| entry.expect("an entry").path())
    }

    /// Empty if the file was never synced.
    fn synced(&self, inode: u64) -> Vec<u8> {
        fs::read(self.shadow.join(inode.to_string())).unwrap_or_default()
    }
}

fn inode(file: &Path) -> u64 {
    file.metadata().expect("a file").ino()
}

fn some_sectors(synced: &[u8], latest: &[u8], seed: u64) -> Vec<u8> {
    let survives = |at: usize| {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        hasher.hash_one((seed, at)) % 2 == 0
    };
    // The size of a file is written apart from its sectors.
    let size = if survives(usize::MAX) {
        latest.len()
    } else {
        synced.len()
    };
    let mut content = synced.to_owned();
    content.resize(size, 0);
    for (at, sector) in content.chunks_mut(SECTOR).enumerate() {
        let newer = latest.get(at * SECTOR..).unwrap_or_default();
        if survives(at) {
            let length = newer.len().min(sector.len());
            sector[..length].copy_from_slice(&newer[..length]);
        }
    }
    content
}
