//! Reading what a client sends. That takes as long as the client likes, so it happens on a thread of its own and holds
//! nothing that others wait for.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tokio::sync::oneshot;

use crate::Result;
use crate::blocking;
use crate::error::Error;

/// Runs `read` on a thread of its own and returns its result; a panic in it goes on in the caller.
pub(crate) async fn intake<T: Send + 'static>(
    read: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    blocking::thread("image-intake", move || {
        // When nobody waits any more, the blobs that came in go with their leases.
        drop(answer.send(catch_unwind(AssertUnwindSafe(read))));
    })?;
    match answered.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(Error::ShuttingDown),
    }
}
