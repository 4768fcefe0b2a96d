//! The network between server and store, which a story can break and repair, and the store as a
//! process that can be killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::config::Environment;
use common::part::Starter;
use common::storage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A fault of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Connections break as soon as they are made.
    Broken,
    /// Every nth response breaks off in the middle: the store has executed the request, but the
    /// client does not learn of it.
    CutAnswers(u32),
    /// Nothing that is sent arrives.
    BlackHole,
    /// Every message is delayed by this time.
    Slow(Duration),
    /// The store throttles. The network sends DynamoDB's response, because no engine here has a
    /// limit to reach.
    Throttled,
}

/// A network path to a store.
pub(crate) struct Network {
    pub(crate) address: SocketAddr,
    fault: watch::Sender<Fault>,
    connections: Arc<AtomicU32>,
}

impl Network {
    pub(crate) async fn to(store: SocketAddr) -> Self {
        let (fault, now) = watch::channel(Fault::None);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers = Arc::new(AtomicU32::new(0));
        let connections = Arc::new(AtomicU32::new(0));
        let made = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("a connection");
                made.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connect(near, store, now.clone(), Arc::clone(&answers)));
            }
        });
        Self {
            address,
            fault,
            connections,
        }
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn be(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn connect(
    near: TcpStream,
    store: SocketAddr,
    fault: watch::Receiver<Fault>,
    answers: Arc<AtomicU32>,
) {
    if *fault.borrow() == Fault::Broken {
        return;
    }
    // A store that is down looks like a broken connection.
    let Ok(far) = TcpStream::connect(store).await else {
        return;
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let (ask, mut throttled) = tokio::sync::mpsc::channel(1);
    // When one direction ends, so does the connection.
    tokio::select! {
        () = requests(near_read, far_write, fault.clone(), ask) => {}
        () = responses(far_read, near_write, fault, &answers, &mut throttled) => {}
    }
}

async fn requests(
    mut near: OwnedReadHalf,
    mut far: OwnedWriteHalf,
    fault: watch::Receiver<Fault>,
    throttle: tokio::sync::mpsc::Sender<()>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = near.read(&mut buffer).await {
        let now = *fault.borrow();
        match now {
            Fault::Broken => return,
            Fault::BlackHole => continue,
            Fault::Throttled => {
                let _ = throttle.send(()).await;
                continue;
            }
            Fault::Slow(delay) => tokio::time::sleep(delay).await,
            Fault::None | Fault::CutAnswers(_) => {}
        }
        if far.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn responses(
    mut far: OwnedReadHalf,
    mut near: OwnedWriteHalf,
    fault: watch::Receiver<Fault>,
    answers: &AtomicU32,
    throttled: &mut tokio::sync::mpsc::Receiver<()>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = tokio::select! {
            read = far.read(&mut buffer) => match read { Ok(length @ 1..) => length, _ => return },
            Some(()) = throttled.recv() => {
                let body = r#"{"__type":"com.amazon.coral.availability#ThrottlingException","message":"Rate exceeded"}"#;
                let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                let _ = near.write_all(answer.as_bytes()).await;
                return;
            }
        };
        let now = *fault.borrow();
        let sent = match now {
            Fault::BlackHole => continue,
            Fault::CutAnswers(every)
                if answers.fetch_add(1, Ordering::SeqCst) % every == every - 1 =>
            {
                let _ = near.write_all(&buffer[..length / 2]).await;
                return;
            }
            _ => near.write_all(&buffer[..length]).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A store in its own process. It keeps its port and its folder over a restart.
pub(crate) struct StoreProcess {
    kind: StoreKind,
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    process: Child,
}

#[derive(Clone, Copy)]
pub(crate) enum StoreKind {
    /// The DynamoDB engine behind DynamoDB's interface.
    DynamoDb,
    /// A server that speaks MongoDB's protocol: the one in `target/stores/mongo-java`, which
    /// `.ci/stores/build.sh` makes.
    MongoDb,
}

impl StoreProcess {
    pub(crate) async fn start(kind: StoreKind) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let folder = tempfile::tempdir().expect("a folder");
        let process = kind.launch(address, folder.path());
        let store = Self {
            kind,
            address,
            folder,
            process,
        };
        store.wait_until_it_listens().await;
        if let StoreKind::MongoDb = kind {
            let url = store.url_at(address);
            let variable = |name: &str| (name == "DATABASE_URL").then(|| url.clone());
            let environment = Environment::new(&variable);
            let database = Starter::new(environment).part().await.expect("a database");
            storage::migrate(&database, &server::storages(), environment, &mut |_| {})
                .await
                .expect("indexes");
        }
        store
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
    }

    pub(crate) async fn start_again(&mut self) {
        self.process = self.kind.launch(self.address, self.folder.path());
        self.wait_until_it_listens().await;
    }

    /// The `DATABASE_URL` of the store at this address.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        match self.kind {
            StoreKind::DynamoDb => format!("dynamodb://{address}"),
            StoreKind::MongoDb => format!("mongodb://{address}/faults"),
        }
    }

    async fn wait_until_it_listens(&self) {
        let listening = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listening)
            .await
            .expect("the store listens within a minute");
    }
}

impl Drop for StoreProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl StoreKind {
    fn launch(self, address: SocketAddr, folder: &Path) -> Child {
        let mut command = match self {
            Self::DynamoDb => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_tasklane"));
                command
                    .env_clear()
                    .arg("dynamodb")
                    .arg("--listen")
                    .arg(address.to_string())
                    .arg("--data")
                    .arg(folder);
                command
            }
            Self::MongoDb => {
                let mut command = Command::new(
                    Path::new(env!("CARGO_MANIFEST_DIR"))
                        .join("../target/stores/mongo-java/run.sh"),
                );
                command.arg(address.port().to_string()).arg(folder);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the store starts")
    }
}
