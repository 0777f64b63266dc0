//! What a command prints: results to standard output, remarks and failures to standard error.

use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::Error;

/// Writes `text` as it is.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|source| {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Error::OutputClosed,
            _ => Error::System { action: "write to standard output", source },
        }
    })
}

/// Writes `text` and a line feed.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    print(&format!("{text}\n"))
}

/// Writes a remark to standard error. Nobody can be told when that fails.
pub(crate) fn remark(text: &str) {
    writeln!(io::stderr().lock(), "{text}").unwrap_or(());
}

/// What is asked of the daemon at the same time, when many are named.
const AT_ONCE: usize = 8;

/// Does `work` for each of `names`, some at the same time, and hands each one's result to `told` in their order.
pub(crate) async fn at_once<T, F>(
    names: &[String],
    work: impl Fn(String) -> F,
    mut told: impl FnMut(&str, T) -> Result<(), Error>,
) -> Result<(), Error>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let begin = |name: &String| {
        let (places, work) = (Arc::clone(&places), work(name.clone()));
        tokio::spawn(async move {
            // Nobody closes it.
            let place = places.acquire().await;
            let done = work.await;
            drop(place);
            done
        })
    };
    let begun: Vec<_> = names.iter().map(begin).collect();
    for (name, working) in names.iter().zip(begun) {
        match working.await {
            Ok(done) => told(name, done)?,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    Ok(())
}

/// [`at_once`], printing each name that it worked for and each failure.
pub(crate) async fn for_each_at_once<F>(
    names: &[String],
    work: impl Fn(String) -> F,
) -> Result<u8, Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut failed = false;
    at_once(names, work, |name, done| match done {
        Ok(()) => line(name),
        Err(error) => {
            remark(&error.report());
            failed = true;
            Ok(())
        }
    })
    .await?;
    if failed { Err(Error::Reported) } else { Ok(0) }
}

/// Does `work` for each of `names`, printing each name that it worked for and each failure as it comes.
pub(crate) async fn for_each<F, Fut>(names: &[String], work: F) -> Result<u8, Error>
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let mut failed = false;
    for name in names {
        match work(name.clone()).await {
            Ok(()) => line(name)?,
            Err(error) => {
                remark(&error.report());
                failed = true;
            }
        }
    }
    if failed { Err(Error::Reported) } else { Ok(0) }
}
