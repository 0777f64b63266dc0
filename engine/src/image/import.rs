//! `import`: an image out of a root file system.

use std::io::{self, Read};
use std::time::Instant;

use gantry_api::image::ProgressMessage;
use gantry_images::{ImportOptions, Loaded};
use gantry_registry_client::Download;
use gantry_types::ImageReference;
use tokio::sync::mpsc;

use super::intake::intake;
use super::teller::{INTERVAL, Teller};
use super::{told, unpack};
use crate::blocking::block;
use crate::engine::Engine;
use crate::{Result, housekeeping};

/// What the new image is called and says.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// Repository and tag as the API has them; an image without a name may be made.
    pub repository: String,
    pub tag: String,
    pub message: String,
    /// Dockerfile instructions for its configuration.
    pub changes: Vec<String>,
    /// `os/arch[/variant]`; the host's when empty.
    pub platform: Option<String>,
}

/// Makes an image of the archive at a URL, which is fetched as a file and never kept, and tells how far it is as Docker
/// does. The addresses that it may be at are those that [`gantry_registry_client::Client::download`] speaks to.
pub async fn import_from_url(
    engine: &Engine,
    url: String,
    request: ImportRequest,
    progress: mpsc::Sender<ProgressMessage>,
) -> Result<()> {
    // As in Docker, what has no scheme is meant for the web.
    let url = if url.contains("://") { url } else { format!("http://{url}") };
    let (registries, asked) = (engine.live.registries(), url.clone());
    let file = intake(move || Ok(registries.download(&asked)?)).await?;
    let teller = Teller::new(progress);
    let saying = teller.clone();
    block(move || saying.say("", format!("Downloading from {url}"))).await;
    let file = Counted { file, done_bytes: 0, teller: teller.clone(), last: None };
    let id = import(engine, file, request).await?;
    block(move || teller.say("", id)).await;
    Ok(())
}

/// A file that tells how much of it was read.
struct Counted {
    file: Download,
    done_bytes: u64,
    teller: Teller,
    /// When it was told last.
    last: Option<Instant>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.teller.is_alone() {
            return Err(io::Error::other("the client has gone"));
        }
        let count = self.file.read(buffer)?;
        self.done_bytes += count as u64;
        if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            let total_bytes = self.file.size_bytes.unwrap_or(0);
            self.teller.figure("Importing", (self.done_bytes, total_bytes));
        }
        Ok(count)
    }
}

/// Makes an image of a tar archive, plain or compressed; returns its id.
pub async fn import(
    engine: &Engine,
    archive: impl Read + Send + 'static,
    request: ImportRequest,
) -> Result<String> {
    let reference = super::tag::reference(&request.repository, &request.tag)?;
    let importing = engine.clone();
    let loaded = intake(move || take_in(&importing, archive, request, reference)).await?;
    let id = loaded.id.clone();
    unpack::unpack(engine, vec![loaded]).await?;
    housekeeping::flush_soon(engine);
    told::happened(engine, "import", &id, "");
    Ok(id.to_string())
}

fn take_in(
    engine: &Engine,
    archive: impl Read + Send,
    request: ImportRequest,
    reference: Option<ImageReference>,
) -> Result<Loaded> {
    let platform = request.platform.as_deref().filter(|text| !text.is_empty());
    let options = ImportOptions {
        reference,
        message: request.message,
        changes: request.changes,
        created: gantry_sys::clock::now(),
        platform: platform.map(super::resolve::parse_platform).transpose()?,
    };
    Ok(engine.images.import(archive, options)?)
}
