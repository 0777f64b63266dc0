//! The signals that the daemon hears: SIGTERM and SIGINT end it, a second one of them at once, SIGHUP has it read its settings again.
//!
//! Docker's daemon takes the third for that. Nothing is lost by it: containers run on, and a daemon that dies at any moment leaves
//! what the next one finds.

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
            asked_to_end(&mut terminate, &mut interrupt).await;
            tracing::info!("asked to end");
            // Not dropped before the process ends, because whoever looks later shall see it too.
            sender.send_replace(true);
            let kind = asked_to_end(&mut terminate, &mut interrupt).await;
            tracing::warn!("asked again: ending at once, with requests under way broken off");
            // As a shell tells of an end by a signal.
            std::process::exit(128 + kind.as_raw_value());
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

async fn asked_to_end(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
