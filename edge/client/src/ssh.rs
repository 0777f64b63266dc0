//! A daemon on another machine, reached by `ssh`: its client there carries the bytes between us and the daemon's socket.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use gantry_sys::new_session::in_new_session;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Where `ssh` goes, and for how long it may knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshHost {
    /// As `ssh` takes it; empty leaves it to `ssh`'s own configuration.
    pub user: String,
    pub name: String,
    pub port: Option<u16>,
    /// The daemon's socket there; empty is the default one.
    pub path: String,
}

const CONNECT_TIMEOUT: &str = "ConnectTimeout=30";

impl SshHost {
    /// What `ssh` is called with.
    fn arguments(&self) -> Vec<String> {
        let mut words = vec!["-o".to_owned(), CONNECT_TIMEOUT.to_owned(), "-T".to_owned()];
        if !self.user.is_empty() {
            words.extend(["-l".to_owned(), self.user.clone()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        // What follows is a name, whatever it begins with.
        words.extend(["--".to_owned(), self.name.clone(), "gantry".to_owned()]);
        if !self.path.is_empty() {
            words.push(format!("--host=unix://{}", self.path));
        }
        words.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        words
    }

    /// Starts `ssh`.
    pub(crate) fn dial(&self) -> io::Result<SshStream> {
        let mut command = Command::new("ssh");
        command.args(self.arguments()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // The terminal's Ctrl-C is for us to pass on, and must not end the way that it goes.
        in_new_session(command.as_std_mut());
        let mut child = command.spawn()?;
        let missing = || io::Error::other("ssh has no streams");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        Ok(SshStream { output, input: Some(input), _ssh: child })
    }
}

/// A running `ssh`, ended with the connection.
pub(crate) struct SshStream {
    output: ChildStdout,
    /// None when our side is closed.
    input: Option<ChildStdin>,
    _ssh: Child,
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A pipe has one way to end: to be closed.
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_told_where_to_go() {
        let host = SshHost {
            user: "me".into(),
            name: "far.example".into(),
            port: Some(2222),
            path: "/run/g.sock".into(),
        };
        assert_eq!(
            host.arguments().join(" "),
            "-o ConnectTimeout=30 -T -l me -p 2222 -- far.example gantry --host=unix:///run/g.sock system dial-stdio"
        );
    }
}
