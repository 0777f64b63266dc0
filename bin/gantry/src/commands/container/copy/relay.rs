//! Between the connection and the archives, which are read and written by a thread: a pipe, and a line that says how far it is.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gantry_archive::{ApplyOptions, Merge, Whiteouts};
use gantry_client::{BodyReader, Upload};
use gantry_types::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use super::local::Found;
use super::plan::Placed;
use crate::commands::archive::Writing;
use crate::error::Error;
use crate::format::size;

const BUFFER_BYTES: usize = 256 << 10;

/// How often the line changes.
const PACE: Duration = Duration::from_millis(100);

/// Extracts what comes; the bytes that came.
pub(super) async fn extract(
    mut content: BodyReader,
    placed: Placed,
    owner: Option<(u32, u32)>,
    progress: Option<String>,
) -> Result<u64, Error> {
    let system = |source| Error::System { action: "make a pipe", source };
    let (reader, writer) = io::pipe().map_err(system)?;
    let path = placed.dir.clone();
    let dir = File::open(&path).map_err(Error::file("open", &path))?;
    let extracting = std::thread::spawn(move || {
        let rename =
            (placed.from != placed.to).then(|| (placed.from.into_bytes(), placed.to.into_bytes()));
        let options = ApplyOptions {
            whiteouts: Whiteouts::Plain,
            // Nobody asks for it.
            known: Some(Digest::sha256([0; 32])),
            merge: Merge { owner, kinds_stay: true, root_stays: true, rename },
            ..ApplyOptions::default()
        };
        let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        gantry_archive::apply(reader, dir.as_fd(), &options).map(drop)
    });
    let mut writer = pipe::Sender::from_owned_fd(writer.into()).map_err(system)?;
    let (mut line, mut total) = (Line::new(progress), 0);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut broken = None;
    loop {
        match content.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => {
                // The thread says why it does not read on.
                if writer.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
                total += count as u64;
                line.show(total);
            }
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    drop(writer);
    let extracted = extracting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match broken {
        Some(source) => Err(Error::System { action: "receive the files", source }),
        None => extracted
            .map_err(|error| Error::refused(gantry_types::error_chain(&error)))
            .map(|()| total),
    }
}

/// An archive that is written, and how much of it has been.
pub(super) struct Counted {
    writing: Writing,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    /// See [`Writing::finish`].
    pub(super) async fn finish(self, accepted: bool) -> Result<u64, Error> {
        self.writing.finish(accepted).await?;
        Ok(self.bytes.load(Ordering::Relaxed))
    }
}

/// Writes an archive of something of this machine while it is sent.
pub(super) fn create(
    found: Found,
    placed: &Placed,
    progress: Option<String>,
) -> Result<(Upload, Counted), Error> {
    let dir = File::open(&found.dir).map_err(Error::file("open", &found.dir))?;
    let name = if placed.to.is_empty() { "/".to_owned() } else { placed.to.clone() };
    let bytes = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&bytes);
    let (upload, writing) = Writing::begin(move |writer| {
        let counting = Counting { inner: writer, bytes: count, line: Line::new(progress) };
        let writer = BufWriter::with_capacity(BUFFER_BYTES, counting);
        let all = BTreeSet::new();
        let (from, to) = (&found.name, name.as_bytes());
        gantry_archive::create_entry(dir.as_fd(), from, to, &all, writer).map(drop)
    })?;
    Ok((upload, Counted { writing, bytes }))
}

struct Counting<W> {
    inner: W,
    bytes: Arc<AtomicU64>,
    line: Line,
}

impl<W: io::Write> io::Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        let total = self.bytes.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        self.line.show(total);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The one line at a terminal that says how far it is.
struct Line {
    text: Option<String>,
    shown: Option<Instant>,
}

impl Line {
    fn new(text: Option<String>) -> Self {
        Self { text, shown: None }
    }

    fn show(&mut self, bytes: u64) {
        let Some(text) = &self.text else { return };
        if self.shown.is_some_and(|shown| shown.elapsed() < PACE) {
            return;
        }
        self.shown = Some(Instant::now());
        let bytes = size::exact(i64::try_from(bytes).unwrap_or(i64::MAX));
        // Nobody may look at it.
        drop(write!(io::stderr(), "\r\x1b[K{text} - {bytes}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_archive_of_a_directory_is_renamed() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("dir")).unwrap();
        std::fs::write(temp.path().join("dir/file"), "text").unwrap();
        let text = temp.path().join("dir").to_string_lossy().into_owned();
        let found = super::super::local::find(&text, false).unwrap();
        let placed = Placed { dir: "/".into(), from: "dir".into(), to: "other".into() };
        let (upload, counted) = create(found, &placed, None).unwrap();
        let Upload::Stream(mut stream) = upload else { panic!("not a stream") };
        let mut archive = Vec::new();
        stream.read_to_end(&mut archive).await.unwrap();
        assert_eq!(counted.finish(true).await.unwrap(), archive.len() as u64);
        let target = tempfile::tempdir().unwrap();
        let dir = File::open(target.path()).unwrap();
        let options = ApplyOptions { whiteouts: Whiteouts::Plain, ..ApplyOptions::default() };
        gantry_archive::apply(&archive[..], dir.as_fd(), &options).unwrap();
        assert_eq!(std::fs::read(target.path().join("other/file")).unwrap(), b"text");
        assert!(!target.path().join("dir").exists());
    }
}
