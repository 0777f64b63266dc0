//! What `ADD` brings from addresses: files of the web, and repositories.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use gantry_dockerfile::{Remote, Repository, Transfer};
use gantry_types::{Digest, percent_decoded, without_password};

use crate::request::Context;
use crate::workshop::{Download, Layer, Workshop};
use crate::{Error, Result};

/// What a word after `from` means.
pub(crate) enum Source<'a> {
    /// A stage.
    Stage(Vec<Layer>),
    /// An image.
    Image(Vec<Layer>),
    /// A folder of the user's.
    Files(&'a Context),
}

/// What was fetched for a step.
pub(crate) enum Fetched {
    /// A file, and what it is called.
    File(Download, Option<String>),
    /// The files of a repository.
    Tree(Arc<OwnedFd>),
}

/// Takes the addresses out of an `ADD`'s sources, and fetches them.
pub(crate) fn fetch<W: Workshop>(
    workshop: &W,
    sources: &mut Vec<String>,
    transfer: &Transfer,
    wanted: &dyn Fn() -> Result<()>,
    checksum: Option<&str>,
) -> Result<Vec<Fetched>> {
    let mut remotes = Vec::new();
    let mut error = None;
    sources.retain(|source| match Remote::parse(source) {
        Ok(None) => true,
        Ok(Some(remote)) => {
            remotes.push(remote);
            false
        }
        Err(invalid) => {
            error = Some(invalid);
            false
        }
    });
    if let Some(error) = error {
        return Err(error.into());
    }
    if checksum.is_some() && (remotes.len() != 1 || !sources.is_empty()) {
        let reason = "it is for one file or one repository that is fetched";
        return Err(Error::invalid("checksum", checksum.unwrap_or_default(), reason));
    }
    let fetch = |remote| match remote {
        Remote::File(url) => file(workshop, &url, checksum, wanted),
        Remote::Repository(mut repository) => {
            repository.keeps_git_dir |= transfer.keeps_git_dir;
            tree(workshop, repository, checksum, wanted)
        }
    };
    remotes.into_iter().map(fetch).collect()
}

fn file<W: Workshop>(
    workshop: &W,
    url: &str,
    checksum: Option<&str>,
    wanted: &dyn Fn() -> Result<()>,
) -> Result<Fetched> {
    let digest = checksum.map(str::parse::<Digest>).transpose().map_err(|_| {
        let reason = "sha256: and 64 hexadecimal digits are needed";
        Error::invalid("checksum", checksum.unwrap_or_default(), reason)
    })?;
    let download = workshop.download(url, digest.as_ref(), wanted)?;
    if let Some(asked) = digest.filter(|asked| *asked != download.digest) {
        let (found, wanted) = (download.digest.to_string(), asked.to_string());
        return Err(Error::Checksum { address: without_password(url), found, wanted });
    }
    Ok(Fetched::File(download, name_of(url)))
}

fn tree<W: Workshop>(
    workshop: &W,
    repository: Repository,
    checksum: Option<&str>,
    wanted: &dyn Fn() -> Result<()>,
) -> Result<Fetched> {
    let repository = match checksum {
        Some(checksum) => repository.with_checksum(checksum)?,
        None => repository,
    };
    let checkout = workshop.checkout(&repository, wanted)?;
    if let Some(asked) = repository.checksum.filter(|asked| !checkout.commit.starts_with(asked)) {
        let (address, found) = (without_password(&repository.url), checkout.commit);
        return Err(Error::Checksum { address, found, wanted: asked });
    }
    Ok(Fetched::Tree(Arc::new(checkout.root)))
}

/// The last name in a URL's path.
fn name_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let path = rest.split(['?', '#']).next()?.split_once('/')?.1;
    let name = percent_decoded(path.trim_end_matches('/').rsplit('/').next()?);
    let is_name = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_their_addresses_end() {
        for (url, name) in [
            ("https://h/a/b.tar?x=/y#/z", Some("b.tar")),
            ("https://h/a/", Some("a")),
            ("https://h/a%20b", Some("a b")),
            ("https://h/a%2fb", None),
            ("https://h/%2e%2e", None),
            ("https://h/", None),
            ("https://h", None),
            ("https://h/a%", Some("a%")),
        ] {
            assert_eq!(name_of(url).as_deref(), name, "{url}");
        }
    }
}
