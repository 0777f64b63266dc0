//! The trait behind which a driver's connection stands.

use crate::{Error, Message};

/// A way to a remote.
pub trait Delivery: Send {
    /// Sends messages in their order. After a failure the connection is of no use any more.
    fn deliver(&mut self, messages: &[Message]) -> Result<(), Failure>;
}

/// What kept messages from being delivered.
#[derive(Debug)]
pub struct Failure {
    /// How many of them were delivered all the same, from the first on.
    pub delivered: usize,
    pub error: Error,
}

/// Sends messages one by one.
pub(crate) fn each(
    messages: &[Message],
    mut send: impl FnMut(&Message) -> Result<(), Error>,
) -> Result<(), Failure> {
    for (delivered, message) in messages.iter().enumerate() {
        send(message).map_err(|error| Failure { delivered, error })?;
    }
    Ok(())
}
