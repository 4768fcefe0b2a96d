//! A function's process and its use of resources.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::usage;

/// A process that is stopped when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: File,
}

impl Process {
    /// Starts a program with only these variables. Like Lambda, it keeps the program's output.
    pub(crate) fn start(
        program: &std::path::Path,
        environment: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let log = tempfile::tempfile()?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        let child = command
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self { child, log })
    }

    /// The processor time that all of its threads have used since its start.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        usage::processor_time(&self.child)
    }

    /// Its peak memory, in megabytes of a million bytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<f64> {
        Ok(usage::memory(&self.child, "VmHWM")? as f64 * 1024.0 / 1e6)
    }

    /// The last lines of its output.
    pub(crate) fn last_words(&mut self) -> String {
        let mut text = String::new();
        let _ = self
            .log
            .rewind()
            .and_then(|()| self.log.read_to_string(&mut text));
        let lines = text.lines().collect::<Vec<_>>();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
