use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::config::Liveness;
use super::pace::Pace;
use super::watch::{Watched, watch};

/// A TCP or Unix socket that can be read at a [`Pace`].
///
/// Pausing is worth nothing while the socket is watched: each message that arrives would wake the runtime's
/// `epoll_wait` all the same. So reading and writing go through two descriptors of the same socket; the one for
/// writing is watched for writing alone, and the one for reading is watched only while a read waits for the first
/// byte, never during a pause.
#[derive(Debug)]
pub(super) struct Socket {
    reading: Arc<OwnedFd>,
    readable: Option<Watched>,
    writing: Watched,
    pace: Option<Pace>,
}

impl Socket {
    pub(super) fn tcp(stream: TcpStream, liveness: &Liveness) -> io::Result<Self> {
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
        Self::new(stream.into_std()?.into())
    }

    pub(super) fn unix(stream: UnixStream) -> io::Result<Self> {
        Self::new(stream.into_std()?.into())
    }

    fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            reading: Arc::new(socket.try_clone()?),
            readable: None,
            writing: watch(Arc::new(socket), Interest::WRITABLE)?,
            pace: None,
        })
    }

    /// From here on reads are paced.
    pub(super) fn set_paced(&mut self) -> io::Result<()> {
        self.pace = Some(Pace::new()?);
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
        loop {
            let room = buffer.initialize_unfilled();
            let room_bytes = room.len();
            match recv(&this.reading, room, RecvFlags::empty()) {
                Ok((_, read)) => {
                    buffer.advance(read);
                    if let Some(pace) = &mut this.pace {
                        pace.record(Instant::now(), read, read < room_bytes);
                        if pace.is_busy() {
                            this.readable = None;
                        }
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            let readable = match &mut this.readable {
                Some(readable) => readable,
                none => none.insert(watch(this.reading.clone(), Interest::READABLE)?),
            };
            // What was noted before the empty read above is stale; after clearing it, the read is tried again.
            ready!(readable.poll_read_ready(context))?.clear_ready();
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
