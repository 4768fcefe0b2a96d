//! The program on its SQLite file when something fails: power, disk, or the operator.
#![cfg(target_os = "linux")]

mod disk;
mod disk_full;
mod files;
mod many_writers;
mod power_loss;
#[path = "../program/mod.rs"]
mod program;
mod writers;
