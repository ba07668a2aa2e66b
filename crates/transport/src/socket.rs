use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::liveness::Liveness;
use crate::pace::Pace;
use crate::watch::{Watched, watch};

/// A TCP or Unix socket that can be read at a pace.
///
/// Pausing is worth nothing while the socket is watched: each message that arrives would wake the runtime's
/// `epoll_wait` all the same. So reading and writing go through two descriptors of the same socket; the one for
/// writing is watched for writing alone, and the one for reading is watched only while a read waits for the first
/// byte, never during a pause.
#[derive(Debug)]
pub struct Socket {
    reading: Arc<OwnedFd>,
    readable: Option<Watched>,
    writing: Watched,
    /// TCP to this very machine.
    is_near: bool,
    pace: Option<Pace>,
}

/// What the kernel keeps for a paced reader of this machine, before it is doubled for the kernel's own needs.
const NEAR_RECEIVE_BYTES: usize = 32 * 1024;

impl Socket {
    /// Over TCP.
    pub fn tcp(stream: TcpStream, liveness: &Liveness) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(&stream, liveness.keepalives)?;
        if let Some(idle) = liveness.idle {
            sockopt::set_tcp_keepidle(&stream, idle)?;
        }
        if let Some(interval) = liveness.interval {
            sockopt::set_tcp_keepintvl(&stream, interval)?;
        }
        if let Some(count) = liveness.count {
            sockopt::set_tcp_keepcnt(&stream, count)?;
        }
        #[cfg(target_os = "linux")]
        if let Some(timeout) = liveness.user_timeout {
            sockopt::set_tcp_user_timeout(&stream, u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX))?;
        }
        let is_near = stream.local_addr()?.ip() == stream.peer_addr()?.ip();
        Self::new(stream.into_std()?.into(), is_near)
    }

    /// Over a Unix socket.
    pub fn unix(stream: UnixStream) -> io::Result<Self> {
        Self::new(stream.into_std()?.into(), false)
    }

    fn new(socket: OwnedFd, is_near: bool) -> io::Result<Self> {
        Ok(Self {
            reading: Arc::new(socket.try_clone()?),
            readable: None,
            writing: watch(Arc::new(socket), Interest::WRITABLE)?,
            is_near,
            pace: None,
        })
    }

    /// From here on reads are paced.
    ///
    /// From this machine, also the receive buffer is made small. A walsender sends every message by itself, and as long
    /// as the receiver has room, each travels through both ends' whole TCP stack at the sender's cost: more than a third
    /// of a walsender's time. While the receiver has none, a message is just appended to the last segment that waits, and
    /// a read then draws in whole segments. A network between the two would make the small window a limit of its own.
    pub fn set_paced(&mut self) -> io::Result<()> {
        if self.is_near {
            sockopt::set_socket_recv_buffer_size(&self.reading, NEAR_RECEIVE_BYTES)?;
        }
        self.pace = Some(Pace::new(self.is_near)?);
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(pace) = &mut this.pace {
            ready!(pace.poll_due(context))?;
        }
        let is_busy = this.pace.as_ref().is_some_and(Pace::is_busy);
        let before = buffer.filled().len();
        loop {
            let received = match recv(&this.reading, buffer.initialize_unfilled(), RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => continue,
                received => received.map(|(_, bytes)| bytes),
            };
            let is_first = buffer.filled().len() == before;
            match received {
                Ok(bytes) => {
                    buffer.advance(bytes);
                    // Under backlog there is more than the kernel holds at a time.
                    if bytes > 0 && is_busy && buffer.remaining() > 0 {
                        continue;
                    }
                }
                Err(rustix::io::Errno::AGAIN) if is_first => {
                    let readable = match &mut this.readable {
                        Some(readable) => readable,
                        none => none.insert(watch(this.reading.clone(), Interest::READABLE)?),
                    };
                    // What was noted before the empty read above is stale; after clearing it, the read is tried again.
                    ready!(readable.poll_read_ready(context))?.clear_ready();
                    continue;
                }
                Err(error) if is_first => return Poll::Ready(Err(error.into())),
                // The next read meets it again, or an end.
                Err(_) => {}
            }
            if let Some(pace) = &mut this.pace {
                let bytes = buffer.filled().len() - before;
                pace.record(Instant::now(), bytes, buffer.remaining() > 0);
                if pace.is_busy() {
                    this.readable = None;
                }
            }
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.writing.poll_write_ready(context))?;
            if let Ok(written) =
                guard.try_io(|socket| Ok(send(socket.get_ref(), bytes, SendFlags::NOSIGNAL)?))
            {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.writing.get_ref(), Shutdown::Write).map_err(io::Error::from))
    }
}
