//! `manifest annotate`: which platform a manifest of a list is for.

use gantry_oci::image::Platform;

use super::reference;
use super::store::Store;
use crate::cli::{Takes, Verb};
use crate::error::Error;
use crate::session::Session;

/// The pairs that docker's command line lets through: those of Go.
const PLATFORMS: [(&str, &[&str]); 9] = [
    ("darwin", &["386", "amd64", "arm", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm"]),
    (
        "linux",
        &["386", "amd64", "arm", "arm64", "ppc64le", "mips64", "mips64le", "riscv64", "s390x"],
    ),
    ("netbsd", &["386", "amd64", "arm"]),
    ("openbsd", &["386", "amd64", "arm"]),
    ("plan9", &["386", "amd64"]),
    ("solaris", &["amd64"]),
    ("windows", &["386", "amd64"]),
];

/// Add additional information to a local image manifest
#[derive(Debug, clap::Args)]
pub(crate) struct Annotate {
    /// Set architecture
    #[arg(long, default_value = "", hide_default_value = true)]
    arch: String,
    /// Set operating system
    #[arg(long, default_value = "", hide_default_value = true)]
    os: String,
    /// Set operating system feature
    #[arg(long, value_delimiter = ',')]
    os_features: Vec<String>,
    /// Set operating system version
    #[arg(long)]
    os_version: Option<String>,
    /// Set architecture variant
    #[arg(long)]
    variant: Option<String>,
    #[arg(required = true, hide = true)]
    list: String,
    #[arg(required = true, hide = true)]
    manifest: String,
}

impl Verb for Annotate {
    const USAGE: &'static str = "[OPTIONS] MANIFEST_LIST MANIFEST";
    const TAKES: Takes = Takes::Exactly(2);

    async fn execute(self, session: &Session) -> Result<u8, Error> {
        let store = Store::of(session)?;
        let wrong = |what: &str, name: &str, error: Error| {
            Error::refused(format!("annotate: error parsing name for {what} {name}: {error}"))
        };
        let list = reference(&self.list).map_err(|it| wrong("manifest list", &self.list, it))?;
        let manifest =
            reference(&self.manifest).map_err(|it| wrong("manifest", &self.manifest, it))?;
        let Some(mut entry) = store.get(&list, &manifest)? else {
            return Err(Error::refused(format!(
                "manifest for image {} does not exist in {}",
                self.manifest, self.list
            )));
        };
        let platform = self.applied(entry.descriptor.platform.take().unwrap_or_default());
        let is_known = PLATFORMS.iter().any(|(os, architectures)| {
            *os == platform.os && architectures.contains(&platform.architecture.as_str())
        });
        if !is_known {
            return Err(Error::refused(format!(
                "manifest entry for image has unsupported os/arch combination: {}/{}",
                self.os, self.arch
            )));
        }
        entry.descriptor.platform = Some(platform);
        store.save(&list, &manifest, &entry)?;
        Ok(0)
    }
}

impl Annotate {
    /// What was there, with what was asked for.
    fn applied(&self, mut platform: Platform) -> Platform {
        if !self.os.is_empty() {
            platform.os.clone_from(&self.os);
        }
        if !self.arch.is_empty() {
            platform.architecture.clone_from(&self.arch);
        }
        for feature in &self.os_features {
            if !platform.os_features.contains(feature) {
                platform.os_features.push(feature.clone());
            }
        }
        let given = |asked: &Option<String>| asked.clone().filter(|text| !text.is_empty());
        platform.variant = given(&self.variant).or(platform.variant);
        platform.os_version = given(&self.os_version).or(platform.os_version);
        platform
    }
}
