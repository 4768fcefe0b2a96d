//! The functions, the baselines, and their release builds.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use common::http::Endpoint;
use server::SERVICES;

/// A Lambda function with its binary.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    /// The name of the function and of its binary.
    pub(crate) name: &'static str,
    /// Its endpoint; `None` for a function outside of the API.
    pub(crate) endpoint: Option<&'static Endpoint>,
    /// Its sample event; `None` for a function whose events do not come from API Gateway.
    pub(crate) event: Option<&'static str>,
    package: &'static str,
    feature: Option<&'static str>,
}

/// Only says hello.
pub(crate) const HELLO: Function = baseline("hello");
/// Reads one item, with a client reduced to what it needs.
pub(crate) const GET_ITEM: Function = baseline("get-item");
/// Reads one item in the usual way.
pub(crate) const USUAL: Function = baseline("usual");

const BASELINES: [Function; 3] = [HELLO, GET_ITEM, USUAL];

const fn baseline(name: &'static str) -> Function {
    Function {
        name,
        endpoint: None,
        event: Some("get-task"),
        package: "baselines",
        feature: Some(name),
    }
}

impl Function {
    /// Whether it only exists for comparison.
    pub(crate) fn is_baseline(&self) -> bool {
        BASELINES.iter().any(|baseline| baseline.name == self.name)
    }
}

fn all() -> Vec<Function> {
    let endpoints = SERVICES.iter().flat_map(|service| {
        service.endpoints.iter().map(|&endpoint| Function {
            name: endpoint.name,
            endpoint: Some(endpoint),
            event: Some(endpoint.name),
            package: service.name,
            feature: None,
        })
    });
    let keys = Function {
        name: "make-keys",
        endpoint: None,
        event: None,
        package: "keys",
        feature: None,
    };
    endpoints.chain([keys]).collect()
}

/// Which functions are measured, and where their binaries are.
#[derive(Args)]
pub(crate) struct Selection {
    /// Which functions, separated by commas [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    functions: Vec<String>,
    /// Leave out the function most people would write, whose dependencies take long to build.
    #[arg(long)]
    without_usual: bool,
    /// Take binaries from this folder, in place of building them.
    #[arg(long, value_name = "FOLDER")]
    build_dir: Option<PathBuf>,
}

impl Selection {
    /// The selected functions, baselines first, and the folder of their release binaries.
    ///
    /// # Errors
    /// A name is unknown, or a function does not build.
    pub(crate) fn built(&self) -> anyhow::Result<(Vec<Function>, PathBuf)> {
        let mut selected = BASELINES.to_vec();
        selected.retain(|function| !(self.without_usual && function.name == USUAL.name));
        let all = all();
        for name in &self.functions {
            let found = all.iter().find(|function| function.name == name);
            selected.push(*found.with_context(|| format!("there is no function {name}"))?);
        }
        if self.functions.is_empty() {
            selected.extend(all);
        }
        let folder = match &self.build_dir {
            Some(folder) => folder.clone(),
            None => build(&selected)?,
        };
        Ok((selected, folder))
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Builds the release binaries of these functions, as they are deployed. Returns their folder.
fn build(functions: &[Function]) -> anyhow::Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut waiting = functions.to_vec();
    // Functions of one package are built together, unless a feature separates one: the feature must
    // not affect the others.
    while let Some(first) = waiting.first().copied() {
        let (now, later) = waiting
            .into_iter()
            .partition(|other| other.package == first.package && other.feature == first.feature);
        waiting = later;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args([
            "build",
            "--release",
            "--locked",
            "--package",
            first.package,
        ]);
        cargo.args(
            first
                .feature
                .iter()
                .flat_map(|feature| ["--features", feature]),
        );
        cargo.args(
            now.iter()
                .flat_map(|function: &Function| ["--bin", function.name]),
        );
        if !cargo.status()?.success() {
            bail!("{} does not build", first.package);
        }
    }
    Ok(target.join("release"))
}
