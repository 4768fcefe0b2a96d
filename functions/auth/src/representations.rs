//! The representations of accounts, sessions and tokens: names, versions, locations, and examples
//! for the API document.

use common::http::{Example, Representation};
use serde_json::{Value, json};

use crate::{
    Credentials, NamePatch, PasswordChange, RefreshRequest, Registration, SessionView, SignedIn,
    Tokens, User,
};

impl Representation for User {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }

    fn example() -> Value {
        json!({
            "id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
            "email": "ada@example.com",
            "name": "Ada",
            "role": "user",
            "created_at": "2026-03-01T09:30:00.000Z",
            "updated_at": "2026-03-01T09:30:00.000Z",
            "version": 1,
        })
    }
}

impl Representation for SignedIn {
    fn location(&self) -> Option<String> {
        Some("/v1/me".to_owned())
    }

    fn example() -> Value {
        let mut example = Tokens::example();
        example["user"] = User::example();
        example
    }
}

impl Representation for Tokens {
    fn example() -> Value {
        json!({
            "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": "tlr_mac-1.AQ",
            "refresh_expires_in": 2_592_000,
        })
    }
}

impl Representation for SessionView {
    fn example() -> Value {
        json!({
            "id": "0190a5d2-6f3c-7cc1-b2a9-3f2f9a1d7e55",
            "current": true,
            "created_at": "2026-03-01T09:30:00.000Z",
            "last_used_at": "2026-03-02T08:00:00.000Z",
            "expires_at": "2026-04-01T08:00:00.000Z",
            "user_agent": "Mozilla/5.0",
        })
    }
}

impl Example for Registration {
    fn example() -> Value {
        json!({"email": "ada@example.com", "password": "a lane of tasks", "name": "Ada"})
    }
}

impl Example for Credentials {
    fn example() -> Value {
        json!({"email": "ada@example.com", "password": "a lane of tasks"})
    }
}

impl Example for RefreshRequest {
    fn example() -> Value {
        json!({"refresh_token": "tlr_mac-1.AQ"})
    }
}

impl Example for NamePatch {
    fn example() -> Value {
        json!({"name": "Ada Lovelace"})
    }
}

impl Example for PasswordChange {
    fn example() -> Value {
        json!({"current_password": "a lane of tasks", "new_password": "another lane of tasks"})
    }
}
