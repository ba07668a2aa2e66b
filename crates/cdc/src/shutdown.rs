//! From a signal to an orderly end: the first SIGTERM or SIGINT asks, the second one ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::exit::ExitStatus;

/// Whether this process has been asked to end. Clones all see the same request.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// Who may ask, other than by a signal.
#[derive(Debug)]
pub(crate) struct ShutdownTrigger(watch::Sender<bool>);

impl Shutdown {
    /// Listens for signals from now on.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::by_hand();
        tokio::spawn(async move {
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::info!(signal = name, "stopping: draining and saving; a second signal ends it at once");
            trigger.request();
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::warn!(
                signal = name,
                "stopped at once: what was not saved is sent again at the next start"
            );
            std::process::exit(ExitStatus::Interrupted as i32);
        });
        Ok(shutdown)
    }

    /// One that is asked by its trigger alone. A dropped trigger asks for nothing.
    pub(crate) fn by_hand() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Waits for the request. Cancel-safe; returns at once when it was made already.
    pub(crate) async fn requested(&mut self) {
        if self.0.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl ShutdownTrigger {
    /// Asks.
    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_request_reaches_every_clone_and_stays() {
        let (trigger, mut shutdown) = Shutdown::by_hand();
        let mut other = shutdown.clone();
        assert!(!*shutdown.0.borrow());
        let waiting = tokio::spawn(async move { other.requested().await });
        trigger.request();
        waiting.await.unwrap();
        drop(trigger);
        shutdown.requested().await;
    }
}
