//! A process's use of resources, from the kernel (Linux).

use std::process::Child;
use std::time::Duration;

use anyhow::Context;
use nix::time::ClockId;
use nix::unistd::Pid;

/// The processor time that all threads of a process have used since its start, on all processors
/// together.
///
/// # Errors
/// The process has ended.
pub(crate) fn processor_time(process: &Child) -> anyhow::Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(process.id().try_into()?))?;
    Ok(clock.now()?.into())
}

/// The memory of a process in KiB: `VmRSS` is the current value, `VmHWM` the peak. `getrusage`
/// would include the memory of the parent at the start.
///
/// # Errors
/// The process has ended.
pub(crate) fn memory(process: &Child, which: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.with_context(|| format!("the kernel does not say {which}"))
}

/// Makes `VmHWM`, the peak memory of a process, start again from its current memory.
///
/// # Errors
/// The process has ended.
pub(crate) fn reset_peak_memory(process: &Child) -> anyhow::Result<()> {
    // The kernel's Documentation/filesystems/proc.rst describes this value.
    std::fs::write(format!("/proc/{}/clear_refs", process.id()), "5")?;
    Ok(())
}
