//! Stories of clients, told through the API's HTTP surface: one server of its own for each, in this process.

mod access;
mod client;
mod sessions;
mod tasks;
