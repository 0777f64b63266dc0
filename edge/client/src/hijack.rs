//! A connection that the daemon handed over: bytes in both directions, each of which ends on its own.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{ReadHalf, WriteHalf, split};

/// The streams of an attached process.
#[derive(Debug)]
pub struct Hijacked {
    /// What the process writes: frames, or raw bytes with a terminal. Its end is the end of the output.
    pub output: ReadHalf<TokioIo<Upgraded>>,
    /// What the process reads. `shutdown` closes the process's standard input; the output goes on.
    pub input: WriteHalf<TokioIo<Upgraded>>,
    /// Whether the daemon says that the output is frames. Daemons before API 1.42 never say so.
    pub multiplexed: bool,
}

impl Hijacked {
    pub(crate) fn new(upgraded: Upgraded, multiplexed: bool) -> Self {
        let (output, input) = split(TokioIo::new(upgraded));
        Self { output, input, multiplexed }
    }
}
