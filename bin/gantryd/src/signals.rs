//! The signals that the daemon hears: SIGTERM and SIGINT end it, SIGHUP has it read its settings again.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::error::Error;

/// What a signal asks for.
pub(crate) enum Asked {
    End,
    Reload,
}

/// See the head of this file.
pub(crate) struct Signals {
    ending: watch::Receiver<bool>,
    hang_up: Signal,
    told: bool,
}

impl Signals {
    /// Begins to hear them.
    pub(crate) fn hear() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(|source| Error::Runtime { source });
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let hang_up = listen(SignalKind::hangup())?;
        let (sender, ending) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("asked to end");
            sender.send_replace(true);
            // Whoever looks later shall see it too.
            sender.closed().await;
        });
        Ok(Self { ending, hang_up, told: false })
    }

    /// Completes when the daemon shall end, however late it is asked.
    pub(crate) fn ending(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ending = self.ending.clone();
        async move {
            // The sender lives as long as anybody waits.
            drop(ending.wait_for(|ending| *ending).await);
        }
    }

    /// What is asked next; the end is asked for once.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.ending.wait_for(|ending| *ending), if !self.told => {
                self.told = true;
                Asked::End
            }
            Some(()) = self.hang_up.recv() => Asked::Reload,
        }
    }
}
