//! Stories of clients, told through the API's HTTP surface: one server of its own for each, in this
//! process. Those of `anywhere` are told to a running API where `TEST_API_URL` names one.

#![expect(clippy::too_many_lines, reason = "a case reads from top to bottom")]

mod access;
mod accounts;
mod answers;
mod anywhere;
mod calls;
mod client;
mod conditions;
mod copies;
mod documented;
mod faults;
mod hostile;
mod limits;
mod lists;
mod log_lines;
mod network;
mod requests;
mod secrets;
mod sessions;
mod store_calls;
mod tasks;
