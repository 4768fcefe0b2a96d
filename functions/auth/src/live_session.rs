//! The caller's session, as an argument of a handler.

use common::auth::Caller;
use common::config::Setting;
use common::http::{Access, Argument, CallerCheck, Operation, Request};
use common::part::{Part, StartError, Starter};
use common::problem::Problem;

use crate::{Session, User, Users};

/// The unexpired session of a verified caller, and the account's owner. An endpoint with this
/// argument does one more read than an endpoint with a [`Caller`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    pub session: Session,
    pub user: User,
}

/// Verifies the caller and reads the session.
#[derive(Clone)]
pub struct SessionCheck {
    caller: CallerCheck,
    users: Users,
}

impl Part for SessionCheck {
    fn settings() -> Vec<Setting> {
        [CallerCheck::settings(), Users::settings()].concat()
    }

    async fn start(starter: &Starter<'_>) -> Result<Self, StartError> {
        Ok(Self {
            caller: starter.part().await?,
            users: starter.part().await?,
        })
    }
}

impl Argument for LiveSession {
    const ACCESS: Access = Access::Session;

    type Part = SessionCheck;

    async fn take(check: &SessionCheck, request: &Request) -> Result<Self, Problem> {
        let Caller { user, session, .. } = check.caller.verify(request)?;
        let now = check.caller.clock.now();
        Ok(check.users.live_session(user, session, now).await?)
    }

    fn describe(operation: &mut Operation) {
        operation.requires_access_token();
    }
}
