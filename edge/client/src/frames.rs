//! Taking apart the one stream that carries a process's standard output and standard error.
//!
//! Each frame begins with eight bytes: the stream, three zeros, and the length as a big-endian number.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much is copied at once; frames may be longer.
const BUFFER_BYTES: usize = 64 << 10;
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
    let mut frames = Frames::default();
    loop {
        let read = input.read(&mut buffer).await.map_err(FramesError::Read)?;
        let mut rest = &buffer[..read];
        let mut result = Ok(());
        while !rest.is_empty() && result.is_ok() {
            let before = frames.stream;
            result = frames.take(&mut rest);
            // What is for the other stream waits for what came before it: both may end up in one file.
            if frames.stream != before {
                frames.write(before, stdout, stderr).await?;
            }
        }
        // Nothing that is here waits for what may never come.
        frames.write(frames.stream, stdout, stderr).await?;
        result?;
        if read == 0 {
            return frames.end();
        }
    }
}

/// Where in the stream we are, and what was not written yet.
#[derive(Default)]
struct Frames {
    header: Vec<u8>,
    /// The current frame's.
    stream: u8,
    left: u64,
    /// What came for the stream that is written next.
    output: Vec<u8>,
    error: Vec<u8>,
}

const ERROR: u8 = 3;

impl Frames {
    /// Takes a header, or what there is of one frame.
    fn take(&mut self, rest: &mut &[u8]) -> Result<(), FramesError> {
        if self.left > 0 {
            let length = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at(length);
            if self.stream == ERROR {
                self.error.extend_from_slice(now);
            } else {
                self.output.extend_from_slice(now);
            }
            self.left -= length as u64;
            *rest = later;
            let full = self.error.len() as u64 >= ERROR_LIMIT_BYTES;
            return if self.stream == ERROR && (self.left == 0 || full) {
                self.end()
            } else {
                Ok(())
            };
        }
        let missing = rest.len().min(8 - self.header.len());
        let (now, later) = rest.split_at(missing);
        self.header.extend_from_slice(now);
        *rest = later;
        if let [stream, _, _, _, length @ ..] = &self.header[..]
            && let Ok(length) = <[u8; 4]>::try_from(length)
        {
            if *stream > ERROR {
                return Err(FramesError::Header(*stream));
            }
            (self.stream, self.left) = (*stream, u32::from_be_bytes(length).into());
            self.header.clear();
        }
        Ok(())
    }

    async fn write<O, E>(
        &mut self,
        stream: u8,
        stdout: &mut O,
        stderr: &mut E,
    ) -> Result<(), FramesError>
    where
        O: AsyncWrite + Unpin,
        E: AsyncWrite + Unpin,
    {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = if stream == 2 {
            put(stderr, &self.output).await
        } else {
            put(stdout, &self.output).await
        };
        self.output.clear();
        written.map_err(FramesError::Write)
    }

    /// The stream ends here.
    fn end(&self) -> Result<(), FramesError> {
        if self.stream == ERROR {
            let mut text = &self.error[..];
            text =
                &text[..text.len().min(usize::try_from(ERROR_LIMIT_BYTES).unwrap_or(usize::MAX))];
            return Err(FramesError::Daemon(String::from_utf8_lossy(text).into_owned()));
        }
        Ok(())
    }
}

async fn put<W: AsyncWrite + Unpin>(output: &mut W, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes).await?;
    output.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::ReadBuf;

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

    /// Gives so many bytes at a time.
    struct Slow<'a, 'b>(&'a mut &'b [u8], usize);

    impl AsyncRead for Slow<'_, '_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let length = self.0.len().min(self.1);
            let (now, later) = self.0.split_at(length);
            buffer.put_slice(now);
            *self.0 = later;
            Poll::Ready(Ok(()))
        }
    }

    struct Shared<'a>(&'a std::sync::Mutex<Vec<u8>>);

    impl AsyncWrite for Shared<'_> {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Pieces of any size, and both streams into one place.
    #[tokio::test]
    async fn what_came_first_is_written_first() {
        let input = [frame(1, b"a"), frame(2, b"b"), frame(2, b"c"), frame(1, b"d")].concat();
        for piece in [1, 3, 100] {
            let (mut input, all) = (&input[..], std::sync::Mutex::new(Vec::new()));
            let mut slow = Slow(&mut input, piece);
            let (mut stdout, mut stderr) = (Shared(&all), Shared(&all));
            demultiplex(&mut slow, &mut stdout, &mut stderr).await.unwrap();
            assert_eq!(*all.lock().unwrap(), b"abcd");
        }
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
        let long = frame(3, &vec![b'x'; 100_000]);
        let (_, _, result) = split(&long).await;
        assert!(result.unwrap_err().to_string().len() < 66_000);
        let (_, _, result) = split(b"plain text").await;
        assert!(matches!(result, Err(FramesError::Header(b'p'))));
    }
}
