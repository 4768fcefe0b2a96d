//! The AWS services that functions call: DynamoDB behind TLS on this machine, so that the cost of
//! TLS is measured. It is the embedded engine, filled as by `tasklane seed`, with the signing keys
//! in their table.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use common::config::{Environment, Setting};
use common::dynamodb::{LOCAL_ACCESS_KEY, connect_to};
use common::http::Endpoint;
use common::part::Starter;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use server::engine::Engine;
use server::start::create_tables;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::functions::root;

/// The name of the signing keys in their table.
const KEYS: &str = "1/1";
const OWNER: &str = "01900000-0000-7000-8000-000000000001";

type Item = HashMap<String, AttributeValue>;

pub(crate) struct Aws {
    /// The settings of `events/env.json`.
    settings: HashMap<String, String>,
    dynamodb: SocketAddr,
    folder: TempDir,
    client: Client,
    /// The contents of the tables before every request.
    filled: Vec<(String, Vec<Item>)>,
}

impl Aws {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let env = serde_json::from_str::<Value>(&std::fs::read_to_string(
            root().join("events/env.json"),
        )?)?;
        let settings =
            serde_json::from_value::<HashMap<String, String>>(env["Parameters"].clone())?;

        let engine = Engine::in_memory()?;
        fill(&engine, &settings).await?;
        let plain = free_address().await?;
        let serving = engine.clone();
        tokio::spawn(async move {
            server::emulator::serve(&serving, plain, std::future::pending()).await
        });

        let folder = tempfile::tempdir()?;
        let acceptor = certified(&ca_file(folder.path()))?;
        let dynamodb = behind_tls(plain, acceptor).await?;
        let client = client(plain, &settings)?;
        put_keys(&client, &settings).await?;
        let mut aws = Self {
            settings,
            dynamodb,
            folder,
            client,
            filled: Vec::new(),
        };
        aws.filled = aws.contents().await?;
        Ok(aws)
    }

    /// The environment of this endpoint's function, as set by Lambda and the template: the values
    /// are in events/env.json, and the endpoint's parts determine which of them it gets. A function
    /// that is not an endpoint gets those that all functions have.
    pub(crate) fn environment(
        &self,
        name: &str,
        endpoint: Option<&Endpoint>,
        runtime_api: SocketAddr,
    ) -> Vec<(String, String)> {
        let ca_file = ca_file(self.folder.path()).display().to_string();
        let mut environment = vec![
            ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_DEFAULT_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", LOCAL_ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_SESSION_TOKEN", "local".to_owned()),
            // The SDKs' variable that overrides AWS's endpoint.
            (
                "AWS_ENDPOINT_URL_DYNAMODB",
                format!("https://localhost:{}", self.dynamodb.port()),
            ),
            ("TASKLANE_LOG_LEVEL", "info".to_owned()),
            ("TASKLANE_METRICS_NAMESPACE", "Tasklane/tasklane".to_owned()),
            ("TASKLANE_CA_FILE", ca_file.clone()),
        ];
        let setting = |name: &'static str| (name, self.settings[name].clone());
        if let Some(endpoint) = endpoint {
            for Setting { name, .. } in (endpoint.settings)() {
                match name {
                    "DATABASE_URL" => environment.push((name, "dynamodb://".to_owned())),
                    "TASKLANE_SIGNING_KEYS" => environment.push((name, format!("dynamodb:{KEYS}"))),
                    "TASKLANE_USERS_TABLE"
                    | "TASKLANE_TASKS_TABLE"
                    | "TASKLANE_KEYS_TABLE"
                    | "TASKLANE_PUBLIC_KEYS" => environment.push(setting(name)),
                    _ => {}
                }
            }
        } else {
            // The settings of the baselines. The usual one trusts the system's certificate
            // authorities, as it would elsewhere.
            environment.extend([
                ("TABLE", self.settings["TASKLANE_TASKS_TABLE"].clone()),
                ("OWNER", OWNER.to_owned()),
                ("SSL_CERT_FILE", ca_file),
                ("SSL_CERT_DIR", "/etc/ssl/certs".to_owned()),
            ]);
        }
        environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Restores the initial contents of the tables, so that every request finds the same data.
    pub(crate) async fn reset(&self) -> anyhow::Result<()> {
        for ((table, filled), (_, present)) in self.filled.iter().zip(self.contents().await?) {
            for item in present
                .iter()
                .filter(|item| !filled.iter().any(|kept| same_key(kept, item)))
            {
                let key = |name: &str| item.get(name).cloned();
                self.client
                    .delete_item()
                    .table_name(table)
                    .set_key(Some(key_of(key)?))
                    .send()
                    .await?;
            }
            for item in filled.iter().filter(|item| !present.contains(item)) {
                self.client
                    .put_item()
                    .table_name(table)
                    .set_item(Some(item.clone()))
                    .send()
                    .await?;
            }
        }
        Ok(())
    }

    async fn contents(&self) -> anyhow::Result<Vec<(String, Vec<Item>)>> {
        let mut contents = Vec::new();
        for table in ["TASKLANE_USERS_TABLE", "TASKLANE_TASKS_TABLE"] {
            let table = self.settings[table].clone();
            let items = self
                .client
                .scan()
                .table_name(&table)
                .send()
                .await?
                .items
                .unwrap_or_default();
            contents.push((table, items));
        }
        Ok(contents)
    }
}

fn same_key(one: &Item, other: &Item) -> bool {
    ["pk", "sk"]
        .iter()
        .all(|name| one.get(*name) == other.get(*name))
}

fn key_of(attribute: impl Fn(&str) -> Option<AttributeValue>) -> anyhow::Result<Item> {
    let part = |name: &str| {
        anyhow::Ok((
            name.to_owned(),
            attribute(name).context("an item without a key")?,
        ))
    };
    Ok(HashMap::from([part("pk")?, part("sk")?]))
}

/// Fills an engine as by `tasklane seed`.
async fn fill(engine: &Engine, settings: &HashMap<String, String>) -> anyhow::Result<()> {
    let variable = |name: &str| settings.get(name).cloned();
    let environment = Environment::new(&variable);
    create_tables(&engine.database(), environment).await?;
    let starter = Starter::new(environment).with(engine.database());
    server::seed::seed(&starter, true).await?;
    Ok(())
}

/// Creates the table of signing keys as in the template, and adds keys as `make-keys` does.
async fn put_keys(client: &Client, settings: &HashMap<String, String>) -> anyhow::Result<()> {
    let (table, name) = (&settings["TASKLANE_KEYS_TABLE"], "name");
    let attribute = AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()?;
    let key = KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(KeyType::Hash)
        .build()?;
    let made = client
        .create_table()
        .table_name(table)
        .attribute_definitions(attribute)
        .key_schema(key);
    made.billing_mode(BillingMode::PayPerRequest).send().await?;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let item = client
        .put_item()
        .table_name(table)
        .item(name, text(KEYS))
        .item("keys", text(&settings["TASKLANE_SIGNING_KEYS"]));
    item.send().await?;
    Ok(())
}

/// A client of the engine for the bench itself. It also scans, which no function may.
fn client(engine: SocketAddr, settings: &HashMap<String, String>) -> anyhow::Result<Client> {
    let variable = |name: &str| settings.get(name).cloned();
    Ok(connect_to(
        &engine.to_string(),
        Environment::new(&variable),
    )?)
}

async fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?)
}

fn ca_file(folder: &Path) -> PathBuf {
    folder.join("ca.pem")
}

/// Creates a certificate authority, writes it to this file, and issues a certificate for
/// `localhost`.
fn certified(ca_file: &Path) -> anyhow::Result<TlsAcceptor> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    std::fs::write(ca_file, authority.pem())?;
    let key = KeyPair::generate()?;
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone(), authority.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts TLS connections and forwards them to this address. Returns the address that it listens
/// on.
async fn behind_tls(plain: SocketAddr, acceptor: TlsAcceptor) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // A function that closes its connection is normal, so the error is ignored.
            tokio::spawn(async move {
                connection.set_nodelay(true)?;
                // The connection to the engine has no counterpart at AWS, so it is opened before a
                // request needs it.
                let (outside, inside) =
                    tokio::join!(acceptor.accept(connection), TcpStream::connect(plain));
                let (mut outside, mut inside) = (outside?, inside?);
                inside.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    Ok(address)
}
