//! One connection to a shim: many calls at once, each with its stream id. Callers write, and the
//! reactor's thread reads and completes.

use gantry_shim_protocol::frame::{FrameBuffer, FrameKind};
use gantry_shim_protocol::rpc::{Request, Response, Status};
use gantry_shim_protocol::wire::Message;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why a call has no value.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The shim answered with an error.
    Refused(Status),
    /// The connection is gone, or what came over it makes no sense.
    Disconnected,
    /// The call itself does not fit the protocol's limits.
    Unsendable(gantry_shim_protocol::Error),
}

/// What is done with an answer, on the reactor's thread.
pub(crate) type Completion = Box<dyn FnOnce(Result<Vec<u8>, Failure>) + Send>;

/// Whether there is more to do for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Everything is written or read as far as it goes.
    Idle,
    /// Bytes wait until the socket takes more.
    WantsToWrite,
    /// It is over.
    Closed,
}

pub(crate) struct Connection {
    socket: UnixStream,
    calls: Mutex<Calls>,
    /// Only the reactor's thread takes this.
    incoming: Mutex<FrameBuffer>,
}

#[derive(Default)]
struct Calls {
    outgoing: Vec<u8>,
    last_stream_id: u32,
    pending: HashMap<u32, Completion>,
    closed: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection over a socket that does not block.
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self { socket, calls: Mutex::default(), incoming: Mutex::default() }
    }

    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Sends a call; `completion` gets its answer, at once when it cannot be sent. Gives the stream id
    /// for [`Connection::forget`].
    pub(crate) fn send(&self, request: &Request, completion: Completion) -> (u32, Progress) {
        let mut calls = self.calls();
        if calls.closed {
            drop(calls);
            completion(Err(Failure::Disconnected));
            return (0, Progress::Closed);
        }
        // Clients count in odd numbers; after two billion calls a new connection is due.
        let Some(stream_id) = calls.last_stream_id.checked_add(2).map(|next| next | 1) else {
            drop(calls);
            completion(Err(Failure::Disconnected));
            return (0, Progress::Closed);
        };
        if let Err(error) = request.put(stream_id, &mut calls.outgoing) {
            drop(calls);
            completion(Err(Failure::Unsendable(error)));
            return (0, Progress::Idle);
        }
        calls.last_stream_id = stream_id;
        calls.pending.insert(stream_id, completion);
        (stream_id, self.flush(&mut calls))
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn forget(&self, stream_id: u32) {
        self.calls().pending.remove(&stream_id);
    }

    /// Writes what waits.
    pub(crate) fn write(&self) -> Progress {
        let mut calls = self.calls();
        self.flush(&mut calls)
    }

    fn flush(&self, calls: &mut Calls) -> Progress {
        while !calls.outgoing.is_empty() {
            match send(&self.socket, &calls.outgoing, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => drop(calls.outgoing.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Progress::WantsToWrite,
                // The reactor sees the end of the connection too, and fails what is pending.
                Err(_) => {
                    calls.outgoing.clear();
                    return Progress::Closed;
                }
            }
        }
        calls.outgoing.shrink_to(4096);
        Progress::Idle
    }

    /// Reads what is there and completes the calls that were answered.
    pub(crate) fn read(&self, block: &mut [u8]) -> Progress {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match recv(&self.socket, &mut *block, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Progress::Closed,
                Ok((_, received)) => incoming.extend(&block[..received]),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Progress::Idle,
                Err(_) => return Progress::Closed,
            }
            loop {
                match incoming.next_frame() {
                    Ok(None) => break,
                    Ok(Some(frame)) if frame.kind == FrameKind::Response => {
                        let response = Response::decode(frame.payload).map_err(Into::into);
                        self.complete(frame.stream_id, response);
                    }
                    // A shim neither calls us nor streams.
                    Ok(Some(_)) | Err(_) => return Progress::Closed,
                }
            }
        }
    }

    fn complete(&self, stream_id: u32, response: Result<Response, gantry_shim_protocol::Error>) {
        // An answer nobody waits for: its call was given up.
        let Some(completion) = self.calls().pending.remove(&stream_id) else {
            return;
        };
        let result = match response {
            Ok(response) => response.into_result().map_err(Failure::Refused),
            Err(_) => Err(Failure::Disconnected),
        };
        run(completion, result);
    }

    /// Whether it is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.calls().closed
    }

    /// Fails everything that waits, and everything that comes later.
    pub(crate) fn close(&self) {
        let pending = {
            let mut calls = self.calls();
            calls.closed = true;
            std::mem::take(&mut calls.pending)
        };
        for completion in pending.into_values() {
            run(completion, Err(Failure::Disconnected));
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // Nothing panics while it holds this lock in the middle of a change.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One caller's panic must not take the thread from all others.
fn run(completion: Completion, result: Result<Vec<u8>, Failure>) {
    if catch_unwind(AssertUnwindSafe(|| completion(result))).is_err() {
        tracing::error!("a listener of a shim panicked");
    }
}
