//! Tests of the API over HTTP, called stories: each starts its own server in this process. The
//! stories of `anywhere` use the API at `TEST_API_URL` if that is set.

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
