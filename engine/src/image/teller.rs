//! What a pull or push says of itself, in Docker's words: clients draw their bars by them.

use std::time::{Duration, Instant};

use gantry_api::image::{ProgressDetail, ProgressMessage};
use gantry_types::Digest;
use tokio::sync::mpsc;

/// The shortest time between two figures of one layer.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// Says things to one client, from threads that may block.
#[derive(Clone)]
pub(crate) struct Teller {
    messages: mpsc::Sender<ProgressMessage>,
}

impl Teller {
    pub(crate) fn new(messages: mpsc::Sender<ProgressMessage>) -> Self {
        Self { messages }
    }

    /// Says one thing; waits for a client that is slow.
    pub(crate) fn say(&self, id: &str, status: impl Into<String>) {
        self.tell(ProgressMessage::status(id, status));
    }

    /// The same, of a message that is ready.
    pub(crate) fn tell(&self, message: ProgressMessage) {
        // Who pulls asks `is_alone`.
        drop(self.messages.blocking_send(message));
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_alone(&self) -> bool {
        self.messages.is_closed()
    }

    /// Says how far the whole is, of a total that is zero where nobody knows; left out where the client cannot keep up.
    pub(crate) fn figure(&self, status: &str, (done_bytes, total_bytes): (u64, u64)) {
        let mut message = ProgressMessage::status("", status);
        message.progress_detail = Some(detail(done_bytes, total_bytes));
        drop(self.messages.try_send(message));
    }

    /// Says something to programs.
    pub(crate) fn aux(&self, value: serde_json::Value) {
        let message = ProgressMessage { aux: Some(value), ..ProgressMessage::default() };
        drop(self.messages.blocking_send(message));
    }

    /// What is said of one layer.
    pub(crate) fn layer(&self, blob: &Digest, total_bytes: u64) -> LayerTeller<'_> {
        let id = blob.hex()[..12].to_owned();
        LayerTeller { teller: self, id, total_bytes, last: None }
    }
}

/// Says how far one layer is.
pub(crate) struct LayerTeller<'a> {
    teller: &'a Teller,
    id: String,
    total_bytes: u64,
    last: Option<Instant>,
}

impl LayerTeller<'_> {
    pub(crate) fn say(&self, status: &str) {
        self.teller.say(&self.id, status);
    }

    /// How many bytes are through; left out where the client cannot keep up.
    pub(crate) fn figure(&mut self, status: &str, done_bytes: u64) {
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            return;
        }
        self.last = Some(Instant::now());
        let mut message = ProgressMessage::status(self.id.clone(), status);
        message.progress_detail = Some(detail(done_bytes, self.total_bytes));
        drop(self.teller.messages.try_send(message));
    }
}

fn detail(done_bytes: u64, total_bytes: u64) -> ProgressDetail {
    let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    ProgressDetail {
        current: bytes(done_bytes),
        total: bytes(total_bytes),
        ..ProgressDetail::default()
    }
}
