//! What becomes of what is built, as flags say it: outputs and where they come to lie here, caches, and what is told in the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_api::build::BuildOutput;
use gantry_client::BuildResults;
use gantry_types::{ImageReference, csv};

use super::context::Mirrored;
use crate::error::Error;
use crate::terminal;

/// The flags.
#[derive(Debug, clap::Args)]
pub(super) struct ResultFlags {
    /// Add annotation to the image
    #[arg(long, value_name = "[TYPE:]KEY=VALUE")]
    annotation: Vec<String>,
    /// Attestation parameters (format: "type=sbom" or "type=provenance,mode=max")
    #[arg(long)]
    attest: Vec<String>,
    /// External cache sources (e.g., "user/app:cache", "type=local,src=path/to/dir")
    #[arg(long)]
    cache_from: Vec<String>,
    /// Cache export destinations (e.g., "user/app:cache", "type=local,dest=path/to/dir")
    #[arg(long)]
    cache_to: Vec<String>,
    /// Shorthand for "--output=type=docker"
    #[arg(long)]
    load: bool,
    /// Write build result metadata to a file
    #[arg(long)]
    metadata_file: Option<PathBuf>,
    /// Output destination (format: "type=local,dest=path")
    #[arg(short, long)]
    output: Vec<String>,
    /// Shorthand for "--attest=type=provenance"
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    provenance: Option<String>,
    /// Shorthand for "--output=type=registry"
    #[arg(long)]
    push: bool,
    /// Let the result depend on nothing but what goes in: times are those of SOURCE_DATE_EPOCH, or of 1970
    #[arg(long)]
    reproducible: bool,
    /// Shorthand for "--attest=type=sbom"
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    sbom: Option<String>,
}

/// What they mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// What the daemon is asked for.
    pub(super) results: BuildResults,
    /// Where each output comes to lie.
    pub(super) outputs: Vec<Place>,
    /// The folders of caches that are read and written, by their numbers.
    pub(super) caches_read: Vec<Option<PathBuf>>,
    pub(super) caches_written: Vec<Option<PathBuf>>,
    /// The folders of images that named contexts are.
    pub(super) layouts: Vec<PathBuf>,
    /// The folder that is the context, where only what changed is sent.
    pub(super) mirrored: Option<Arc<Mirrored>>,
    /// The sockets of SSH agents that the daemon has no way to, by what it calls them.
    pub(super) agents: BTreeMap<String, String>,
    /// Where digests are written to.
    pub(super) metadata_file: Option<PathBuf>,
    /// Names in registries that the daemon needs credentials for.
    pub(super) references: Vec<ImageReference>,
}

/// Where an output comes to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// With the daemon.
    Daemon,
    /// Files of their own.
    Folder(PathBuf),
    /// An archive.
    File(PathBuf),
    /// The same on standard output.
    Output,
}

impl ResultFlags {
    /// Reads them all.
    pub(super) fn read(&self, tags: &[String]) -> Result<Wanted, Error> {
        let mut wanted = Wanted { metadata_file: self.metadata_file.clone(), ..Wanted::default() };
        for flag in &self.output {
            let (output, place) = output(flag)?;
            wanted.add(output, place)?;
        }
        if self.load {
            wanted.add(of_type("image"), Place::Daemon)?;
        }
        if self.push {
            let images = wanted.results.outputs.iter_mut();
            let mut images = images.filter(|output| output.r#type == "image").peekable();
            if images.peek().is_some() {
                images.for_each(|image| drop(image.attrs.insert("push".into(), "true".into())));
            } else {
                wanted.add(of_type("registry"), Place::Daemon)?;
            }
        }
        for flag in &self.cache_from {
            let (text, folder) = cache(flag, &["src", "source"])?;
            wanted.caches_read.push(folder);
            wanted.results.cache_from.push(text);
        }
        for flag in &self.cache_to {
            let (text, folder) = cache(flag, &["dest"])?;
            wanted.caches_written.push(folder);
            wanted.results.cache_to.push(text);
        }
        wanted.results.annotations.clone_from(&self.annotation);
        wanted.results.attestations = self.attestations();
        wanted.results.is_reproducible = self.reproducible;
        wanted.results.tells_metadata = self.metadata_file.is_some();
        wanted.references = references(&wanted.results, tags);
        Ok(wanted)
    }

    fn attestations(&self) -> Vec<String> {
        let mut all = self.attest.clone();
        for (kind, value) in [("sbom", &self.sbom), ("provenance", &self.provenance)] {
            match value.as_deref() {
                None => {}
                Some("true" | "") => all.push(format!("type={kind}")),
                Some("false") => all.push(format!("type={kind},disabled=true")),
                Some(more) => all.push(format!("type={kind},{more}")),
            }
        }
        all
    }
}

impl Wanted {
    fn add(&mut self, output: BuildOutput, place: Place) -> Result<(), Error> {
        if place == Place::Output {
            if self.outputs.contains(&Place::Output) {
                return Err(Error::refused("only one output can go to standard output"));
            }
            if terminal::stdout_is_terminal() {
                return Err(Error::refused(
                    "an archive does not go to a terminal: say dest=FILE, or redirect",
                ));
            }
        }
        self.outputs.push(place);
        self.results.outputs.push(output);
        Ok(())
    }
}

/// All names that are looked for or written to in registries.
fn references(results: &BuildResults, tags: &[String]) -> Vec<ImageReference> {
    let names = results.outputs.iter().filter_map(|output| output.attrs.get("name"));
    let names = names.flat_map(|names| names.split(','));
    let caches = results.cache_from.iter().chain(&results.cache_to);
    let caches =
        caches.filter_map(|text| text.split(',').find_map(|field| field.strip_prefix("ref=")));
    let all = tags.iter().map(String::as_str).chain(names).chain(caches);
    all.filter_map(|name| name.parse().ok()).collect()
}

fn of_type(kind: &str) -> BuildOutput {
    BuildOutput { r#type: kind.to_owned(), ..BuildOutput::default() }
}

/// One `--output`.
fn output(flag: &str) -> Result<(BuildOutput, Place), Error> {
    let refused = |reason: &str| Error::refused(format!("invalid --output {flag:?}: {reason}"));
    if flag == "-" {
        return Ok((of_type("tar"), Place::Output));
    }
    if !flag.contains('=') {
        return Ok((of_type("local"), Place::Folder(flag.into())));
    }
    let mut attrs = fields(flag).map_err(|reason| refused(&reason))?;
    let kind = attrs.remove("type").ok_or_else(|| refused("type= is needed"))?;
    let dest = attrs.remove("dest").filter(|dest| !dest.is_empty());
    let is_folder = attrs.remove("tar").is_some_and(|value| value == "false");
    let place = match (kind.as_str(), dest.as_deref()) {
        ("image" | "registry" | "docker", None) => Place::Daemon,
        ("image" | "registry", Some(_)) => {
            return Err(refused("an image has no dest: it stays with the daemon"));
        }
        ("local", None) => return Err(refused("dest= is needed, a directory")),
        ("local", Some("-")) => return Err(refused("files need a directory: type=tar goes to -")),
        (_, None | Some("-")) if is_folder => return Err(refused("dest= is needed, a directory")),
        (_, None | Some("-")) => Place::Output,
        ("local", Some(dest)) => Place::Folder(dest.into()),
        (_, Some(dest)) if is_folder => Place::Folder(dest.into()),
        (_, Some(dest)) => Place::File(dest.into()),
    };
    let kind = if place == Place::Daemon && kind == "docker" { "image".to_owned() } else { kind };
    Ok((BuildOutput { r#type: kind, attrs }, place))
}

/// One `--cache-from` or `--cache-to`: what the daemon is told, and the folder here.
fn cache(flag: &str, folder_keys: &[&str]) -> Result<(String, Option<PathBuf>), Error> {
    let refused = |reason: &str| Error::refused(format!("invalid cache {flag:?}: {reason}"));
    if !flag.contains('=') {
        return Ok((format!("type=registry,ref={flag}"), None));
    }
    let fields = csv::fields(flag).map_err(|reason| refused(&reason))?;
    let (mut told, mut folder) = (Vec::new(), None);
    for field in fields {
        let (key, value) = field.split_once('=').ok_or_else(|| refused("key=value is needed"))?;
        if folder_keys.contains(&key) {
            folder = Some(PathBuf::from(value));
        } else {
            told.push(format!("{key}={value}"));
        }
    }
    let is_local = told.iter().any(|field| field == "type=local");
    match (is_local, &folder) {
        (true, None) => Err(refused(&format!("{}= is needed, a directory", folder_keys[0]))),
        (false, Some(_)) => Err(refused("only a local cache has a directory")),
        _ => Ok((told.join(","), folder)),
    }
}

fn fields(flag: &str) -> Result<BTreeMap<String, String>, String> {
    let pair = |field: &String| {
        let (key, value) = field.split_once('=').ok_or("key=value is needed".to_owned())?;
        Ok((key.trim().to_owned(), value.to_owned()))
    };
    csv::fields(flag)?.iter().map(pair).collect()
}

/// Where a blob or the index of a cache lies in its folder; nothing for what has no place there.
pub(super) fn in_cache(folder: &Path, path: &str) -> Option<PathBuf> {
    if path == "index.json" {
        return Some(folder.join(path));
    }
    let digest: gantry_types::Digest = path.parse().ok()?;
    Some(folder.join("blobs").join(digest.algorithm().as_str()).join(digest.hex()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_to_lie_where_they_should() {
        let check = |flag: &str, kind: &str, place: Place| {
            let (read, found) = output(flag).unwrap();
            assert_eq!((read.r#type.as_str(), found), (kind, place), "{flag}");
        };
        check("-", "tar", Place::Output);
        check("out", "local", Place::Folder("out".into()));
        check("type=docker", "image", Place::Daemon);
        check("type=docker,dest=x.tar", "docker", Place::File("x.tar".into()));
        check("type=oci,dest=x,tar=false", "oci", Place::Folder("x".into()));
        check("type=image,name=a,push=true", "image", Place::Daemon);
        check("type=tar,dest=-", "tar", Place::Output);
        for flag in ["type=local", "dest=x", "type=local,dest=-", "type=image,dest=x", "type=tar,x"]
        {
            assert!(output(flag).is_err(), "{flag}");
        }
    }

    #[test]
    fn caches_keep_their_folders_here() {
        let (told, folder) = cache("type=local,src=/x,mode=max", &["src"]).unwrap();
        assert_eq!((told.as_str(), folder), ("type=local,mode=max", Some("/x".into())));
        assert_eq!(cache("user/app:c", &["src"]).unwrap().0, "type=registry,ref=user/app:c");
        assert!(cache("type=local", &["src"]).is_err());
    }

    #[test]
    fn nothing_but_digests_is_looked_for_in_a_cache() {
        let folder = Path::new("/c");
        assert_eq!(in_cache(folder, "index.json"), Some("/c/index.json".into()));
        assert_eq!(in_cache(folder, "../../etc/passwd"), None);
        assert_eq!(in_cache(folder, "sha256:../../x"), None);
        let digest = format!("sha256:{}", "a".repeat(64));
        let place = format!("/c/blobs/sha256/{}", "a".repeat(64));
        assert_eq!(in_cache(folder, &digest), Some(place.into()));
    }
}
