//! Limits on operations of this service that can be guessed or flooded. docs/security.md has a
//! table of all limits.

use common::auth::Counts;
use common::config::Setting;

use crate::Counters;

pub type Limiter = common::auth::Limiter<Limit>;

/// Defines the limits: each with its name in the store and in headers, its setting, its default
/// rate, and what it counts.
macro_rules! limits {
    ($($(#[$doc:meta])* $limit:ident = $name:literal, $setting:literal, $rate:literal, $counts:ident;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit { $($(#[$doc])* $limit),+ }

        impl common::auth::Limit for Limit {
            type Counters = Counters;

            const ALL: &'static [Self] = &[$(Self::$limit),+];

            fn name(self) -> &'static str {
                match self { $(Self::$limit => $name),+ }
            }

            fn setting(self) -> Setting {
                match self { $(Self::$limit => Setting::new($setting, $rate)),+ }
            }

            fn counts(self) -> Counts {
                match self { $(Self::$limit => Counts::$counts),+ }
            }
        }
    };
}

limits! {
    /// Registrations from one source.
    RegisterSource = "register-source", "TASKLANE_LIMIT_REGISTER_SOURCE", "100/1h", Attempts;
    /// Registrations of one email address.
    RegisterAccount = "register-account", "TASKLANE_LIMIT_REGISTER_ACCOUNT", "10/1h", Attempts;
    /// Failed logins from one source.
    LoginSource = "login-source", "TASKLANE_LIMIT_LOGIN_SOURCE", "50/15m", Failures;
    /// Failed logins to one account from one source.
    LoginAccountSource = "login-account-source", "TASKLANE_LIMIT_LOGIN_ACCOUNT_SOURCE", "10/15m", Failures;
    /// Failed logins to one account from all unknown sources: NIST SP 800-63B-4, section 3.2.2,
    /// allows 100.
    LoginAccount = "login-account", "TASKLANE_LIMIT_LOGIN_ACCOUNT", "100/24h", Failures;
    /// Logins from one source, successful ones included.
    LoginTotalSource = "login-total-source", "TASKLANE_LIMIT_LOGIN_TOTAL_SOURCE", "300/15m", Attempts;
    /// Successful logins to one account.
    LoginTotalAccount = "login-total-account", "TASKLANE_LIMIT_LOGIN_TOTAL_ACCOUNT", "60/15m", Attempts;
    /// Invalid refresh tokens from one source.
    RefreshSource = "refresh-source", "TASKLANE_LIMIT_REFRESH_SOURCE", "50/15m", Attempts;
    /// Refreshes of one session.
    RefreshSession = "refresh-session", "TASKLANE_LIMIT_REFRESH_SESSION", "120/15m", Attempts;
    /// Failed password changes from one source.
    PasswordSource = "password-source", "TASKLANE_LIMIT_PASSWORD_SOURCE", "50/15m", Failures;
    /// Failed password changes of one account.
    PasswordAccount = "password-account", "TASKLANE_LIMIT_PASSWORD_ACCOUNT", "10/15m", Failures;
    /// Password changes from one source, successful and repeated ones included.
    PasswordTotalSource = "password-total-source", "TASKLANE_LIMIT_PASSWORD_TOTAL_SOURCE", "100/1h", Attempts;
    /// Password changes of one account, successful and repeated ones included.
    PasswordTotalAccount = "password-total-account", "TASKLANE_LIMIT_PASSWORD_TOTAL_ACCOUNT", "20/1h", Attempts;
}

#[cfg(test)]
mod tests {
    use common::auth::{Limit as _, Rate};

    use super::*;

    #[test]
    fn every_limit_has_a_default_rate_and_a_setting_with_its_name() {
        for limit in Limit::ALL {
            let Setting { name, default, .. } = limit.setting();
            let rate = default.map(str::parse::<Rate>);
            assert!(matches!(rate, Some(Ok(_))), "{limit:?}");

            let named = limit.name().to_uppercase().replace('-', "_");
            assert_eq!(name, format!("TASKLANE_LIMIT_{named}"));
        }
    }
}
