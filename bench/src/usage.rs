//! What the kernel says a process uses (Linux).

use std::process::Child;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

use crate::Error;

/// The processor time that a process has used since it was started, by all of its threads, on all
/// processors together.
///
/// # Errors
/// It is gone.
pub(crate) fn processor_time(process: &Child) -> Result<Duration, Error> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(process.id().try_into()?))?;
    Ok(clock.now()?.into())
}

/// Memory of a process, in KiB: `VmRSS`, what it has now, or `VmHWM`, the most that it has had.
/// `getrusage` would count what its parent had when it was started.
///
/// # Errors
/// It is gone.
pub(crate) fn memory(process: &Child, which: &str) -> Result<u64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| format!("the kernel does not say {which}").into())
}
