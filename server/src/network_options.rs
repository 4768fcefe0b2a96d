//! The server's network options.

use clap::{Args, CommandFactory, FromArgMatches, Parser};

use crate::connections::ConnectionLimits;
use crate::origin::Origin;
use crate::proxies::{ForwardedHeader, TrustedProxies};
use crate::request_limits::RequestLimits;

/// The server's network options.
#[derive(Clone, Debug, Args)]
pub struct NetworkOptions {
    /// The origins whose scripts may call the API (CORS), separated by commas.
    #[arg(long, env = "TASKLANE_CORS_ORIGINS", hide_env_values = true, value_name = "ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<Origin>,

    /// The proxies whose information about the source of a request is trusted: addresses or
    /// networks, separated by commas.
    #[arg(long = "trusted-proxies", env = "TASKLANE_TRUSTED_PROXIES", hide_env_values = true, value_name = "NETWORKS", default_value = "", hide_default_value = true, value_parser = proxies)]
    pub proxies: TrustedProxies,

    /// The header in which the proxies send this information.
    #[arg(
        long,
        env = "TASKLANE_FORWARDED_HEADER",
        hide_env_values = true,
        value_name = "HEADER",
        value_enum,
        default_value = "x-forwarded-for"
    )]
    pub forwarded_header: ForwardedHeader,

    /// How many connections there may be, and how long each may keep the server waiting.
    #[command(flatten)]
    pub connections: ConnectionLimits,

    /// How many requests one source and one caller may send.
    #[command(flatten)]
    pub requests: RequestLimits,
}

fn origin(text: &str) -> Result<Origin, String> {
    text.parse().map_err(|rule| {
        format!("TASKLANE_CORS_ORIGINS {rule}; a good value: TASKLANE_CORS_ORIGINS=https://app.example.com,capacitor://localhost")
    })
}

fn proxies(text: &str) -> Result<TrustedProxies, String> {
    text.parse()
        .map_err(|rule| format!("TASKLANE_TRUSTED_PROXIES {rule}"))
}

impl Default for NetworkOptions {
    /// The values without arguments and environment variables.
    fn default() -> Self {
        #[derive(Parser)]
        struct Alone {
            #[command(flatten)]
            network_options: NetworkOptions,
        }
        let command = Alone::command()
            .no_binary_name(true)
            .mut_args(|argument| argument.env(clap::builder::Resettable::Reset));
        let matches = command.get_matches_from(std::iter::empty::<&str>());
        Alone::from_arg_matches(&matches)
            .map(|alone| alone.network_options)
            .unwrap_or_else(|error| error.exit())
    }
}
