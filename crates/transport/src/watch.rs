use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor whose readiness the runtime watches until this is dropped.
pub(crate) type Watched = AsyncFd<Arc<OwnedFd>>;

/// Begins to watch a non-blocking descriptor.
#[expect(
    deprecated,
    reason = "the replacement is unsafe, for types that may close or exchange their descriptor meanwhile; an OwnedFd \
              that this holds a share of does neither"
)]
pub(crate) fn watch(descriptor: Arc<OwnedFd>, interest: Interest) -> io::Result<Watched> {
    AsyncFd::with_interest(descriptor, interest)
}
