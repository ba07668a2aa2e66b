use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// A network that misbehaves on demand: a TCP proxy in front of a port of this machine.
///
/// It runs on a thread of its own, so it goes on while a test blocks. It ends, with all its connections, when it
/// is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: watch::Sender<Network>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Network {
    target: u16,
    mode: Mode,
    delay: Duration,
    /// How often connections were cut: those that began under a lower number are to end.
    cuts: u64,
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Pass,
    Stall,
    Refuse,
}

impl Proxy {
    /// Opens a port and passes what comes in to `target` and back.
    pub fn to(target: u16) -> Self {
        let proxy = Self::refusing();
        proxy.aim(target);
        proxy
    }

    /// Takes a port without a target yet, for a server that must be told the port; [`Proxy::aim`] opens it.
    pub fn refusing() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a proxy port");
        let port = listener.local_addr().expect("the proxy's address").port();
        let network =
            Network { target: 0, mode: Mode::Refuse, delay: Duration::ZERO, cuts: 0, closed: false };
        let (network, watched) = watch::channel(network);
        listener.set_nonblocking(true).expect("make the proxy's socket non-blocking");
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime for the proxy").block_on(accept(listener, watched));
        });
        Self { port, network, thread: Some(thread) }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Passes new connections to this port from now on, and opens the proxy's own if it refused.
    pub fn aim(&self, target: u16) {
        self.network.send_modify(|network| {
            network.target = target;
            network.mode = Mode::Pass;
        });
    }

    /// Everything flows, first what a stall held back.
    pub fn pass(&self) {
        self.network.send_modify(|network| network.mode = Mode::Pass);
    }

    /// Connections stay open and new ones are accepted, but no byte comes through in either direction. What
    /// is sent waits in the sockets' buffers, as behind a router that has lost its way.
    pub fn stall(&self) {
        self.network.send_modify(|network| network.mode = Mode::Stall);
    }

    /// Resets all connections; new ones may come.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.cuts += 1);
    }

    /// Resets all connections, and every new one at once.
    pub fn refuse(&self) {
        self.network.send_modify(|network| {
            network.mode = Mode::Refuse;
            network.cuts += 1;
        });
    }

    /// Every byte from the server's side arrives this much later; throughput stays as it is.
    pub fn delay(&self, delay: Duration) {
        self.network.send_modify(|network| network.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.send_modify(|network| network.closed = true);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, network: watch::Receiver<Network>) {
    let mut watched = network.clone();
    let listener = TcpListener::from_std(listener).expect("hand the proxy's socket to its runtime");
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(connect(client, network.clone()));
                }
            }
            _ = watched.wait_for(|network| network.closed) => return,
        }
    }
}

async fn connect(mut client: TcpStream, network: watch::Receiver<Network>) {
    let Network { cuts, mode, .. } = *network.borrow();
    let mut server = None;
    let mut watched = network.clone();
    let is_cut = watched.wait_for(|network| mode == Mode::Refuse || network.cuts > cuts);
    tokio::select! {
        () = carry(&mut client, &mut server, network) => {}
        _ = is_cut => {
            // Without lingering, closing resets. It cannot fail on an open socket, and a closed one is no matter.
            for stream in [Some(client), server].into_iter().flatten() {
                drop(stream.set_zero_linger());
            }
        }
    }
}

/// Moves bytes both ways until both sides have ended their half.
async fn carry(
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    mut network: watch::Receiver<Network>,
) {
    if !passes(&mut network).await {
        return;
    }
    let target = network.borrow().target;
    let Ok(connected) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    let server = server.insert(connected);
    for stream in [&*client, &*server] {
        drop(stream.set_nodelay(true));
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::join!(
        pump(from_client, to_server, network.clone(), |_| Duration::ZERO),
        pump(from_server, to_client, network.clone(), |network| network.delay),
    );
}

/// Moves bytes one way. Reading runs ahead of writing by what the delay holds back, up to a limit in bytes.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    network: watch::Receiver<Network>,
    delay: impl Fn(&Network) -> Duration,
) {
    const IN_FLIGHT_BYTES: usize = 16 << 20;
    let room = Arc::new(Semaphore::new(IN_FLIGHT_BYTES));
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (mut reading, mut writing) = (network.clone(), network);
    let read = async move {
        let mut buffer = vec![0; 64 << 10];
        while passes(&mut reading).await {
            let length = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => length,
            };
            let Ok(permit) = room.clone().acquire_many_owned(length as u32).await else { return };
            let due = Instant::now() + delay(&reading.borrow());
            if sender.send((due, buffer[..length].to_vec(), permit)).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes, _permit)) = receiver.recv().await {
            sleep_until(due).await;
            if !passes(&mut writing).await || to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        drop(to.shutdown().await);
    };
    tokio::join!(read, write);
}

/// Waits while the network stalls; false once there is none.
async fn passes(network: &mut watch::Receiver<Network>) -> bool {
    network
        .wait_for(|network| network.mode == Mode::Pass || network.closed)
        .await
        .is_ok_and(|network| !network.closed)
}
