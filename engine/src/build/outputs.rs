//! What becomes of what was built: images of this engine and of registries, archives and files for the client. The images of one
//! build, one for each platform, go together.

mod documents;
mod wanted;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use gantry_api::image::ProgressMessage;
use gantry_archive::{CreateOptions, Joined, Whiteouts};
use gantry_build::Built;
use gantry_images::Loaded;
use gantry_types::{Digest, ImageReference, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::report::Listener;
use super::{BuildRequest, Telling, exchange, report};
use crate::engine::Engine;
use crate::error::Error;
use crate::image::{self, PushRequest};
use crate::{Result, housekeeping};

pub(super) use documents::compressed;
pub use wanted::{Annotation, ByDigest, Form, Level, Output};

/// What a message is called that tells of the result.
pub const METADATA: &str = "gantry.metadata";

/// What was built, for each platform.
pub(super) struct Results {
    pub(super) built: Vec<Built>,
    /// The same with one layer above the base image, where that is asked for.
    pub(super) squashed: Option<Vec<Built>>,
    /// What is said about each.
    pub(super) predicates: Vec<Vec<gantry_images::Predicate>>,
}

/// What is told of the images in the end.
struct Told {
    id: Digest,
    names: Vec<ImageReference>,
    metadata: Value,
}

/// Gives a build's client what it asked for, and tells of it; the id of the image, also of one that nobody asked for.
pub(super) async fn deliver(
    engine: &Engine,
    results: Results,
    request: &BuildRequest,
    listener: &Listener,
) -> Result<Digest> {
    let tags = super::references(&request.tags)?;
    let results = Arc::new(results);
    let outputs =
        if request.outputs.is_empty() { vec![Output::image()] } else { request.outputs.clone() };
    let mut told: Option<Told> = None;
    for (number, output) in outputs.iter().enumerate() {
        listener.check()?;
        let names = if output.names.is_empty() { tags.clone() } else { output.names.clone() };
        if let Form::Files { is_for_user } = output.form {
            files(engine, &results, (number, is_for_user, request.epoch), output, listener).await?;
            continue;
        }
        let by_digest_alone = output.by_digest.alone;
        if by_digest_alone && names.is_empty() {
            return Err(nameless());
        }
        let (making, results, given) = (engine.clone(), Arc::clone(&results), request.clone());
        let (wanted, naming) = (output.clone(), names.clone());
        let naming = if by_digest_alone { Vec::new() } else { naming };
        let loaded =
            image::intake(move || documents::make(&making, &results, &given, (&wanted, &naming)))
                .await?;
        let metadata = documents::metadata(&loaded, &names);
        let first = loaded.first().ok_or_else(|| Error::invalid("the build gave no image"))?;
        let mut new = Told { id: first.id.digest().clone(), names: Vec::new(), metadata };
        if let Form::Image { is_pushed } = output.form {
            let more = documents::names_by_digest(output, &names, &loaded)?;
            let images = image::unpack::unpack(engine, loaded).await?;
            more.iter().try_for_each(|name| engine.images.name_by_digest(&images, name))?;
            housekeeping::flush_soon(engine);
            let pushed = if by_digest_alone { &more } else { &names };
            if is_pushed {
                push(engine, (pushed, output), request, listener).await?;
            }
            new.names = if by_digest_alone { more } else { [names, more].concat() };
        } else {
            archive(engine, (number, loaded, names), listener).await?;
        }
        // What is told is the image of this engine, where there is one.
        if told.as_ref().is_none_or(|told| told.names.is_empty()) {
            told = Some(new);
        }
    }
    let Some(told) = told else { return documents::id_of(&results) };
    let id = told.id.clone();
    tell(told, request, listener).await;
    Ok(id)
}

/// A client that no longer listens has its image all the same.
async fn tell(told: Told, request: &BuildRequest, listener: &Listener) {
    if request.tells_metadata {
        let id = METADATA.to_owned();
        let aux = Some(told.metadata);
        listener.tell(ProgressMessage { id, aux, ..ProgressMessage::default() }).await;
    }
    let names: Vec<String> = told.names.iter().map(ImageReference::familiar).collect();
    for message in report::of_result(&told.id, &names, request.telling) {
        listener.tell(message).await;
    }
}

async fn push(
    engine: &Engine,
    (names, output): (&[ImageReference], &Output),
    request: &BuildRequest,
    listener: &Listener,
) -> Result<()> {
    if names.is_empty() {
        return Err(nameless());
    }
    for reference in names {
        let push = PushRequest {
            reference: reference.clone(),
            platform: None,
            compression: output.compression.unwrap_or(gantry_archive::Compression::Gzip),
            credentials: request.credentials.get(reference.domain()).cloned(),
            is_insecure: output.is_insecure,
        };
        pushed(request.telling, listener, |audience| image::push(engine, push, audience)).await?;
    }
    Ok(())
}

fn nameless() -> Error {
    Error::invalid("an image that goes to a registry needs a name: give it one with --tag")
}

/// Pushes, as long as somebody waits for the build: a push ends when nobody takes what it says. Who wants an id alone hears nothing of it.
pub(super) async fn pushed<P: Future<Output = Result<()>>>(
    telling: Telling,
    listener: &Listener,
    push: impl FnOnce(mpsc::Sender<ProgressMessage>) -> P,
) -> Result<()> {
    let (audience, mut said) = mpsc::channel(1);
    let hearing = async move {
        let hear = async {
            while let Some(message) = said.recv().await {
                if telling != Telling::Quiet {
                    listener.tell(message).await;
                }
            }
        };
        tokio::select! {
            () = hear => {}
            () = listener.gone() => {}
        }
    };
    let (pushed, ()) = tokio::join!(push(audience), hearing);
    listener.judge(pushed)
}

/// Hands an image's archive out; nothing of it stays.
async fn archive(
    engine: &Engine,
    (number, loaded, names): (usize, Vec<Loaded>, Vec<ImageReference>),
    listener: &Listener,
) -> Result<()> {
    let saving = engine.clone();
    let write = move |output: &mut dyn Write| {
        let saved = saving.images.saving_made(&loaded, &names)?.write(output);
        drop(loaded);
        Ok(saved?)
    };
    exchange::offer(engine, listener, json!({ "output": number }), write).await
}

/// Hands the files of what was built out; those for several platforms each in a directory of its own, unless nobody wants that.
async fn files(
    engine: &Engine,
    results: &Arc<Results>,
    (number, is_for_users, latest): (usize, bool, Option<Timestamp>),
    output: &Output,
    listener: &Listener,
) -> Result<()> {
    let options = CreateOptions { whiteouts: Whiteouts::Plain, latest, is_for_users };
    let is_split = output.is_split.unwrap_or(results.built.len() > 1);
    let (looking, results) = (engine.clone(), Arc::clone(results));
    // One archive, whether it becomes files or stays one.
    let write = move |output: &mut dyn Write| {
        let failed = |error| Error::Build(gantry_build::Error::Archive(error));
        let mut joined = Joined::new(output);
        for built in &results.built {
            let files = looking.layers.look_at_chain(&super::chain(&built.layers))?;
            let platform = built.config.platform.to_string().replace('/', "_");
            let folder = if is_split { platform.as_bytes() } else { b"" };
            let without = BTreeSet::new();
            joined.begin();
            gantry_archive::create_at((files.as_fd(), folder), &mut joined, options, &without)
                .map_err(failed)?;
        }
        joined.end().map_err(|source| failed(gantry_archive::Error::Write { source }))
    };
    exchange::offer(engine, listener, json!({ "output": number }), write).await
}
