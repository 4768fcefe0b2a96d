//! Stories of clients, told through the API's HTTP surface: one server of its own for each, in this process.

mod access;
mod accounts;
mod answers;
mod calls;
mod client;
mod documented;
mod faults;
mod limits;
mod lists;
mod network;
mod requests;
mod secrets;
mod sessions;
mod tasks;
