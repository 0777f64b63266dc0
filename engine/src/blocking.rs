//! The one place where async code crosses into the synchronous services.

/// Runs `work` on a thread that may block and returns its result.
///
/// A panic in `work` goes on in the caller, as if there were no thread between them.
pub(crate) async fn block<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels blocking work; then nobody waits for this any more.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs `work` on a thread of its own: for what goes on for as long as a client listens, which would use up the threads
/// that [`block`] shares.
pub(crate) fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> crate::Result<()> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(crate::Error::file("start a thread for", name))
}
