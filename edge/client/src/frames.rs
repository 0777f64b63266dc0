//! Taking apart the one stream that carries a process's standard output and standard error.
//!
//! Each frame begins with eight bytes: the stream, three zeros, and the length as a big-endian number.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is copied at once; frames may be longer.
const BUFFER_BYTES: usize = 32 << 10;
/// The longest error text that is taken from a stream.
const ERROR_LIMIT_BYTES: u64 = 64 << 10;

/// Why taking a stream apart ended early.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    #[error("read the container's output")]
    Read(#[source] io::Error),
    /// Nobody takes the output any more, as when a pipe's reader has ended.
    #[error("write the container's output")]
    Write(#[source] io::Error),
    #[error("the container's output is not in frames: a header begins with {0}")]
    Header(u8),
    /// The daemon put an error into the stream.
    #[error("error from daemon in stream: {0}")]
    Daemon(String),
}

/// Copies frames from `input` to `stdout` and `stderr` until its end. An end within a frame counts as one: the process
/// or its daemon is gone, and all that came has been written.
pub async fn demultiplex<R, O, E>(
    input: &mut R,
    stdout: &mut O,
    stderr: &mut E,
) -> Result<(), FramesError>
where
    R: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Some([stream, _, _, _, length @ ..]) = header(input).await? {
        let length = u32::from_be_bytes(length).into();
        match stream {
            0 | 1 => copy(input, length, stdout, &mut buffer).await?,
            2 => copy(input, length, stderr, &mut buffer).await?,
            3 => {
                let mut text = Vec::new();
                let mut frame = input.take(u64::min(length, ERROR_LIMIT_BYTES));
                frame.read_to_end(&mut text).await.map_err(FramesError::Read)?;
                return Err(FramesError::Daemon(String::from_utf8_lossy(&text).into_owned()));
            }
            other => return Err(FramesError::Header(other)),
        }
    }
    Ok(())
}

async fn header<R: AsyncRead + Unpin>(input: &mut R) -> Result<Option<[u8; 8]>, FramesError> {
    let mut header = [0; 8];
    match input.read_exact(&mut header).await {
        Ok(_) => Ok(Some(header)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(FramesError::Read(error)),
    }
}

async fn copy<R, W>(
    input: &mut R,
    length: u64,
    output: &mut W,
    buffer: &mut [u8],
) -> Result<(), FramesError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut frame = input.take(length);
    loop {
        let read = frame.read(buffer).await.map_err(FramesError::Read)?;
        if read == 0 {
            // Both streams may end up in one file: what came first must be there first.
            return output.flush().await.map_err(FramesError::Write);
        }
        output.write_all(&buffer[..read]).await.map_err(FramesError::Write)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], data].concat()
    }

    async fn split(input: &[u8]) -> (Vec<u8>, Vec<u8>, Result<(), FramesError>) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let result = demultiplex(&mut &input[..], &mut stdout, &mut stderr).await;
        (stdout, stderr, result)
    }

    #[tokio::test]
    async fn streams_are_taken_apart() {
        let long = vec![b'x'; 100_000];
        let input = [frame(1, b"a"), frame(2, b"b"), frame(1, b""), frame(1, &long)].concat();
        let (stdout, stderr, result) = split(&input).await;
        assert!(result.is_ok());
        assert_eq!((stdout.len(), stderr.as_slice()), (100_001, &b"b"[..]));
    }

    #[tokio::test]
    async fn a_cut_frame_gives_what_came() {
        let mut input = frame(1, b"hello");
        input.truncate(10);
        let (stdout, _, result) = split(&input).await;
        assert!(result.is_ok());
        assert_eq!(stdout, b"he");
    }

    #[tokio::test]
    async fn errors_are_told() {
        let (_, _, result) = split(&frame(3, b"no log")).await;
        assert_eq!(result.unwrap_err().to_string(), "error from daemon in stream: no log");
        let (_, _, result) = split(b"plain text").await;
        assert!(matches!(result, Err(FramesError::Header(b'p'))));
    }
}
