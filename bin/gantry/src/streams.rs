//! An attached process: our standard streams and the daemon's one connection, copied into each other.

mod detach_keys;

use std::sync::Arc;

use gantry_client::{Client, FramesError, Hijacked, TerminalSize, demultiplex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::Error;
use crate::signals::{self, Background};
use crate::terminal::{self, RawMode};

pub(crate) use detach_keys::DetachKeys;
use detach_keys::Keys;

/// How much is copied at once.
const BUFFER_BYTES: usize = 32 << 10;

/// How an attachment ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The output is complete.
    Output,
    /// The user typed the keys to detach.
    Detached,
    /// Somebody told us to end; the terminal is as it was.
    Signal(gantry_types::Signal),
}

/// What is copied, and how.
#[derive(Debug, Clone)]
pub(crate) struct Relay {
    /// The process has a terminal: bytes are raw, and keys are watched.
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) detach_keys: DetachKeys,
}

impl Relay {
    /// Copies until the output ends or the user leaves. The terminal is raw meanwhile when the process has one.
    pub(crate) async fn run(&self, attached: Hijacked) -> Result<Ended, Error> {
        let raw = if self.tty && self.stdin { RawMode::enter()? } else { None };
        let mut ending = if raw.is_some() { Some(signals::ending()?) } else { None };
        let Hijacked { output, input, .. } = attached;
        let told_to_end = async {
            // Only a raw terminal needs care; without one the system's way of ending us is right.
            match &mut ending {
                Some(listener) => listener.next().await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            biased;
            result = self.copy_output(output) => result.map(|()| Ended::Output),
            () = self.copy_input(input) => Ok(Ended::Detached),
            signal = told_to_end => Ok(signal.map_or(Ended::Output, Ended::Signal)),
        };
        drop(raw);
        result
    }

    async fn copy_output<R: AsyncRead + Unpin>(&self, mut output: R) -> Result<(), Error> {
        let mut stdout = tokio::io::stdout();
        if self.tty {
            return copy_raw(&mut output, &mut stdout).await;
        }
        demultiplex(&mut output, &mut stdout, &mut tokio::io::stderr()).await.map_err(Error::from)
    }

    /// Completes when the keys to detach were typed; an end of the input closes the process's and waits on.
    async fn copy_input<W: AsyncWrite + Unpin>(&self, mut input: W) {
        if self.stdin {
            let mut keys = if self.tty { Some(Keys::new(&self.detach_keys)) } else { None };
            if feed(&mut tokio::io::stdin(), &mut input, keys.as_mut()).await {
                return;
            }
            // The process may have ended already.
            input.shutdown().await.unwrap_or(());
        }
        std::future::pending::<()>().await;
    }
}

/// Copies raw output, writing out what came before waiting for more.
pub(crate) async fn copy_raw<R, W>(output: &mut R, stdout: &mut W) -> Result<(), Error>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = output.read(&mut buffer).await.map_err(FramesError::Read)?;
        if read == 0 {
            return Ok(());
        }
        stdout.write_all(&buffer[..read]).await.map_err(FramesError::Write)?;
        stdout.flush().await.map_err(FramesError::Write)?;
    }
}

/// Copies our input to the process; true when the keys to detach were among it.
async fn feed<R, W>(stdin: &mut R, input: &mut W, mut keys: Option<&mut Keys>) -> bool
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        // Input that cannot be read is at its end.
        let read = stdin.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return false;
        }
        let (bytes, detached) = match &mut keys {
            Some(keys) => keys.filter(&buffer[..read]),
            None => (buffer[..read].to_vec(), false),
        };
        let sent = input.write_all(&bytes).await.is_ok() && input.flush().await.is_ok();
        if detached || !sent {
            return detached;
        }
    }
}

/// Which process's terminal follows the size of ours.
#[derive(Debug, Clone)]
pub(crate) enum Sized {
    Container(String),
    Exec(String),
}

impl Sized {
    async fn resize(&self, client: &Client, size: TerminalSize) -> gantry_client::Result<()> {
        match self {
            Self::Container(id) => client.container_resize(id, size).await,
            Self::Exec(id) => client.exec_resize(id, size).await,
        }
    }
}

/// Gives the process our terminal's size now and whenever it changes, until the result is dropped.
pub(crate) fn follow_size(client: &Arc<Client>, process: Sized) -> Result<Background, Error> {
    /// A process that is just being started has no terminal yet.
    const ATTEMPTS: u32 = 10;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

    let mut changes = signals::resized()?;
    let client = Arc::clone(client);
    Ok(Background::spawn(async move {
        for attempt in 1..=ATTEMPTS {
            let Some(size) = terminal::size() else { break };
            if process.resize(&client, size).await.is_ok() {
                break;
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        while changes.next().await.is_some() {
            if let Some(size) = terminal::size() {
                // A process that has ended needs no size.
                process.resize(&client, size).await.unwrap_or(());
            }
        }
    }))
}

#[cfg(test)]
mod tests;
