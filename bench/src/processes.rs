//! Servers as separate processes, and their use of the machine.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::functions::root;
use crate::usage;

/// A running server. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Kept open: a server may stop if its output is not read.
    _output: Box<dyn Read + Send>,
}

/// The stream on which a server prints its address.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    Output,
    /// Standard error; the standard output is a log, which is discarded.
    Error,
}

impl Process {
    /// Starts a server, and waits until it prints its address: `127.0.0.1:PORT` in some line.
    ///
    /// # Errors
    /// It cannot be started, or exits without printing an address.
    pub(crate) fn start(command: &mut Command, says: Says) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null());
        match says {
            Says::Output => command.stdout(Stdio::piped()).stderr(Stdio::null()),
            Says::Error => command.stdout(Stdio::null()).stderr(Stdio::piped()),
        };
        let mut child = command
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let output: Option<Box<dyn Read + Send>> = match says {
            Says::Output => child.stdout.take().map(|output| Box::new(output) as _),
            Says::Error => child.stderr.take().map(|output| Box::new(output) as _),
        };
        let mut output = BufReader::new(output.context("there is no output")?);
        let mut line = String::new();
        loop {
            line.clear();
            match output.read_line(&mut line) {
                Ok(1..) => {}
                Ok(0) | Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    bail!("{name} ended before it listened");
                }
            }
            if let Some(address) = address_in(&line) {
                return Ok(Self {
                    child,
                    address,
                    _output: Box::new(output),
                });
            }
        }
    }

    /// The processor time that it has used, on all processors together.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        usage::processor_time(&self.child)
    }

    /// Its current memory, in KiB.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        usage::memory(&self.child, "VmRSS")
    }

    /// Its peak memory since its start or the last reset, in MB.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<f64> {
        Ok(usage::memory(&self.child, "VmHWM")? as f64 * 1024.0 / 1e6)
    }

    /// Makes the peak start again from its current memory.
    ///
    /// # Errors
    /// The process has ended.
    pub(crate) fn reset_peak_memory(&self) -> anyhow::Result<()> {
        usage::reset_peak_memory(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let start = line.find("127.0.0.1:")?;
    let rest = &line[start..];
    let end = rest
        .find(|character: char| !(character.is_ascii_digit() || ".:".contains(character)))
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Builds the release binary of the server. Returns its path.
///
/// # Errors
/// It cannot be built.
pub(crate) fn build_server() -> anyhow::Result<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package", "server"])
        .current_dir(root())
        .status();
    if !built.context("cargo cannot be started")?.success() {
        bail!("the server could not be built");
    }
    let own = std::env::current_exe()?;
    let program = own.with_file_name("tasklane");
    if cfg!(debug_assertions) || !program.exists() {
        bail!("only what is released is measured: cargo run --release -p bench");
    }
    Ok(program)
}

/// A bench is one client and measures what the server can do, not what one client is allowed.
const UNLIMITED: [(&str, &str); 2] = [
    ("TASKLANE_LIMIT_REQUESTS_SOURCE", "off"),
    ("TASKLANE_LIMIT_REQUESTS_CALLER", "off"),
];

/// Starts Tasklane's server on this folder.
///
/// # Errors
/// It cannot be started.
pub(crate) fn tasklane(
    program: &Path,
    folder: &Path,
    settings: &[(&str, &str)],
) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(UNLIMITED)
        .envs(settings.iter().copied())
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(folder);
    Process::start(&mut command, Says::Error)
}

/// Starts the MongoDB-compatible server of the tests, with its data in memory.
///
/// # Errors
/// It has not been built, or cannot be started.
pub(crate) fn mongodb() -> anyhow::Result<Process> {
    let program = root().join("target/stores/mongo-java/run.sh");
    if !program.exists() {
        bail!("there is no MongoDB server: build one with .ci/stores/build.sh");
    }
    Process::start(Command::new(program).arg("0"), Says::Output)
}
