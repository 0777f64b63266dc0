//! A container with our streams attached, from before its start to its end: what `run`, `start -a` and `attach` share.

use std::sync::Arc;
use std::time::Duration;

use gantry_client::{AttachQuery, Client, Hijacked, PendingWait};

use crate::error::Error;
use crate::exit;
use crate::flags::Streams;
use crate::output;
use crate::signals::{self, Background, GaveUp};
use crate::streams::{self, DetachKeys, Ended, Relay, Sized};
use crate::terminal;

/// What a container that has ended may still have to say takes no longer to come.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// How a container is attached.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    pub(super) container: String,
    pub(super) streams: Streams,
    pub(super) tty: bool,
    pub(super) detach_keys: DetachKeys,
    /// Pass signals on to the container. Never done with a terminal, where keys reach it as they are.
    pub(super) sig_proxy: bool,
}

/// The attached container while it runs.
pub(super) struct Attached {
    client: Arc<Client>,
    attachment: Attachment,
    hijacked: Option<Hijacked>,
    wait: PendingWait,
    _signals: Option<Background>,
    gave_up: Option<GaveUp>,
}

impl Attachment {
    /// Takes signals over and opens the streams, if any; `wait` is registered by the caller.
    pub(super) async fn open(self, client: &Arc<Client>) -> Result<Opened, Error> {
        let proxy = self.sig_proxy && !self.tty;
        let signals = if proxy { Some(signals::pass_on(client, &self.container)?) } else { None };
        let hijacked = if self.streams.any() {
            let query = AttachQuery {
                stdin: self.streams.stdin,
                stdout: self.streams.stdout,
                stderr: self.streams.stderr,
                logs: false,
                detach_keys: self.detach_keys.as_str().to_owned(),
            };
            Some(client.container_attach(&self.container, &query).await?)
        } else {
            None
        };
        Ok(Opened { client: Arc::clone(client), attachment: self, hijacked, signals })
    }
}

/// Streams that are open while nobody waits for the end yet.
pub(super) struct Opened {
    client: Arc<Client>,
    attachment: Attachment,
    hijacked: Option<Hijacked>,
    signals: Option<(Background, GaveUp)>,
}

impl Opened {
    /// Adds the wait for the container's end.
    pub(super) fn with_wait(self, wait: PendingWait) -> Attached {
        let (task, gave_up) = self.signals.unzip();
        Attached {
            client: self.client,
            attachment: self.attachment,
            hijacked: self.hijacked,
            wait,
            _signals: task,
            gave_up,
        }
    }
}

impl Attached {
    /// Copies the streams of the running container until its end; the result is its exit code, or 0 when the user
    /// left it running.
    pub(super) async fn relay(mut self) -> Result<u8, Error> {
        let mut gave_up = self.gave_up.take();
        tokio::select! {
            result = self.relay_to_end() => result,
            () = GaveUp::wait(&mut gave_up) => {
                output::remark("got 3 requests to end: leaving the container to itself");
                Ok(exit::FAILURE)
            }
        }
    }

    /// For a container that ended while we attached: streams that were opened after its end would wait for its next
    /// start.
    pub(super) async fn relay_the_rest(self) -> Result<u8, Error> {
        if let Some(hijacked) = self.hijacked {
            let Attachment { tty, detach_keys, .. } = self.attachment;
            let relay = Relay { tty, stdin: false, detach_keys };
            if let Ok(result) = tokio::time::timeout(LAST_OUTPUT, relay.run(hijacked)).await {
                result?;
            }
        }
        ended(self.wait).await
    }

    async fn relay_to_end(self) -> Result<u8, Error> {
        if let Some(hijacked) = self.hijacked {
            let Attachment { tty, streams, detach_keys, container, .. } = self.attachment;
            let _size = if tty && terminal::stdout_is_terminal() {
                Some(streams::follow_size(&self.client, Sized::Container(container))?)
            } else {
                None
            };
            let relay = Relay { tty, stdin: streams.stdin, detach_keys };
            match relay.run(hijacked).await? {
                Ended::Output => {}
                Ended::Detached => return Ok(0),
                Ended::Signal(signal) => {
                    return Ok(exit::of_status(128 + i64::from(signal.as_raw())));
                }
            }
        }
        ended(self.wait).await
    }
}

/// The exit code of the container that `wait` waits for.
pub(super) async fn ended(wait: PendingWait) -> Result<u8, Error> {
    let failed = |reason: &str| {
        output::remark(&format!("error waiting for container: {reason}"));
        Ok(exit::NO_STATUS)
    };
    match wait.result().await {
        Ok(response) => match response.error.filter(|error| !error.message.is_empty()) {
            Some(error) => failed(&error.message),
            None => Ok(exit::of_status(response.status_code)),
        },
        Err(error) => failed(&Error::from(error).report()),
    }
}
