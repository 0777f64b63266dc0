//! What a command prints: results to standard output, remarks and failures to standard error.

use std::io::{self, Write};

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
