//! Requests as a client sends them that takes a daemon's death for what it is: the answer did not come.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gantry_testkit::{HttpReply, TIMEOUT, try_http};
use serde_json::Value;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The daemon was killed: whether it was done is not known.
    Cut,
    /// It should not have gone so.
    Wrong(String),
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self::Wrong(text)
    }
}

pub(crate) type Answer<T> = Result<T, Trouble>;

/// The way to the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub socket: PathBuf,
    /// Said before the daemon is killed: whose connection breaks earlier has found a fault.
    pub killed: Arc<AtomicBool>,
}

impl Api {
    /// One request; its answer must have one of these statuses.
    pub(crate) fn ask(
        &self,
        (method, target): (&str, &str),
        body: &[u8],
        good: &[u16],
    ) -> Answer<HttpReply> {
        let reply = try_http(&self.socket, method, target, body)
            .map_err(|error| self.broken(&format!("{method} {target}: {error}")))?;
        if good.contains(&reply.status) {
            return Ok(reply);
        }
        Err(Trouble::Wrong(format!("{method} {target}: {} {}", reply.status, reply.text())))
    }

    pub(crate) fn post(&self, target: &str, good: &[u16]) -> Answer<HttpReply> {
        self.ask(("POST", target), &[], good)
    }

    pub(crate) fn delete(&self, target: &str, good: &[u16]) -> Answer<HttpReply> {
        self.ask(("DELETE", target), &[], good)
    }

    /// A POST whose answer is a document.
    pub(crate) fn send(&self, target: &str, body: &Value, good: &[u16]) -> Answer<Value> {
        let reply = self.ask(("POST", target), body.to_string().as_bytes(), good)?;
        self.document(&reply)
    }

    /// What is there, or none where there is nothing.
    pub(crate) fn look(&self, target: &str) -> Answer<Option<Value>> {
        let reply = self.ask(("GET", target), &[], &[200, 404])?;
        if reply.status == 404 { Ok(None) } else { self.document(&reply).map(Some) }
    }

    fn document(&self, reply: &HttpReply) -> Answer<Value> {
        if reply.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&reply.body).map_err(|error| self.broken(&format!("{error}")))
    }

    /// What a container has written to stdout, in order.
    pub(crate) fn log(&self, id: &str) -> Answer<String> {
        let target = format!("/containers/{id}/logs?stdout=1");
        Ok(text_of(&self.ask(("GET", &target), &[], &[200])?.body))
    }

    /// Runs a command in a container; its output, and its exit code unless the container's end took it along.
    pub(crate) fn exec(&self, id: &str, command: &[&str]) -> Answer<(String, Option<i64>)> {
        let body = serde_json::json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true});
        let made = self.send(&format!("/containers/{id}/exec"), &body, &[201])?;
        let exec = made["Id"].as_str().unwrap_or_default().to_owned();
        let body = br#"{"Detach":false,"Tty":false}"#;
        let output = self.ask(("POST", &format!("/exec/{exec}/start")), body, &[200])?;
        let end = self.look(&format!("/exec/{exec}/json"))?.unwrap_or_default();
        Ok((text_of(&output.body), end["ExitCode"].as_i64()))
    }

    /// Reads what comes until the connection ends, and hands over each piece; in the form of HTTP/1.0, which has no chunks.
    pub(crate) fn stream(&self, target: &str, take: &mut dyn FnMut(&[u8])) {
        let Ok(mut stream) = UnixStream::connect(&self.socket) else { return };
        // An end that does not come is found out by whoever waits for what is read.
        drop(stream.set_read_timeout(Some(TIMEOUT * 10)));
        if write!(stream, "GET {target} HTTP/1.0\r\nHost: gantry\r\n\r\n").is_err() {
            return;
        }
        let (mut head, mut in_body, mut room) = (Vec::new(), false, vec![0; 65_536]);
        while let Ok(count @ 1..) = stream.read(&mut room) {
            if in_body {
                take(&room[..count]);
                continue;
            }
            head.extend_from_slice(&room[..count]);
            if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                in_body = true;
                take(&head[at + 4..]);
            }
        }
    }

    /// An answer that did not come, or not whole.
    pub(crate) fn broken(&self, what: &str) -> Trouble {
        if self.killed.load(Ordering::SeqCst) {
            Trouble::Cut
        } else {
            Trouble::Wrong(what.to_owned())
        }
    }
}

/// The text in Docker's frames; a torn one at the end is left out.
pub(crate) fn text_of(mut frames: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((head, rest)) = frames.split_at_checked(8) {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some((line, rest)) = rest.split_at_checked(length) else { break };
        text.extend_from_slice(line);
        frames = rest;
    }
    String::from_utf8_lossy(&text).into_owned()
}
