//! `plugin create`: a plugin of a directory with a configuration and a root file system.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use gantry_archive::{Compression, CreateOptions, Whiteouts};
use gantry_client::Upload;
use tokio::net::unix::pipe;

use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::output;
use crate::session::Session;

/// Create a plugin from a rootfs and configuration. Plugin data directory must contain config.json and rootfs directory.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Compress the context using gzip
    #[arg(long)]
    compress: bool,
    #[arg(required = true, hide = true)]
    plugin: String,
    #[arg(required = true, hide = true)]
    directory: PathBuf,
}

impl Verb for Create {
    const USAGE: &'static str = "[OPTIONS] PLUGIN PLUGIN-DATA-DIR";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        check(&self.directory)?;
        let client = session.connect().await?;
        let system = |source| Error::System { action: "make a pipe", source };
        let (reader, writer) = std::io::pipe().map_err(system)?;
        let directory =
            File::open(&self.directory).map_err(Error::file("open", &self.directory))?;
        let compress = self.compress;
        let sending = std::thread::spawn(move || send(&directory, writer, compress));
        let reader = pipe::Receiver::from_owned_fd(reader.into()).map_err(system)?;
        let created = client.plugin_create(&self.plugin, Upload::stream(reader)).await;
        // Of what is refused, nobody may take the rest: whoever writes it ends with this program.
        created?;
        sending.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        output::line(&self.plugin)?;
        Ok(0)
    }
}

/// Says before anything is sent what the daemon would say.
fn check(directory: &Path) -> Result<(), Error> {
    let config = directory.join("config.json");
    if !config.is_file() {
        return Err(Error::refused(format!(
            "{} is no file: a plugin needs its configuration",
            config.display()
        )));
    }
    let rootfs = directory.join("rootfs");
    if !rootfs.is_dir() {
        return Err(Error::refused(format!(
            "{} is no directory: a plugin needs its files",
            rootfs.display()
        )));
    }
    Ok(())
}

fn send(directory: &File, writer: std::io::PipeWriter, compress: bool) -> Result<(), Error> {
    let failed = |error: gantry_archive::Error| Error::refused(gantry_types::error_chain(&error));
    let options = CreateOptions { whiteouts: Whiteouts::Plain, ..CreateOptions::default() };
    if !compress {
        return gantry_archive::create(directory.as_fd(), BufWriter::new(writer), options)
            .map(drop)
            .map_err(failed);
    }
    let system = |source| Error::System { action: "compress the plugin", source };
    let (plain, to_compress) = std::io::pipe().map_err(system)?;
    std::thread::scope(|scope| {
        let packing =
            scope.spawn(move || gantry_archive::compress(Compression::Gzip, plain, writer, 1));
        let written =
            gantry_archive::create(directory.as_fd(), BufWriter::new(to_compress), options);
        let packed = packing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map_err(failed)?;
        packed.map_err(system)
    })
}
