//! The endpoints of the service.

pub mod change_password;
pub mod get_me;
pub mod list_sessions;
pub mod login;
pub mod logout;
pub mod refresh_token;
pub mod register;
pub mod revoke_other_sessions;
pub mod revoke_session;
pub mod update_me;

use common::http::Endpoint;

pub const ENDPOINTS: &[&Endpoint] = &[
    &register::ENDPOINT,
    &login::ENDPOINT,
    &refresh_token::ENDPOINT,
    &logout::ENDPOINT,
    &get_me::ENDPOINT,
    &update_me::ENDPOINT,
    &change_password::ENDPOINT,
    &list_sessions::ENDPOINT,
    &revoke_other_sessions::ENDPOINT,
    &revoke_session::ENDPOINT,
];
