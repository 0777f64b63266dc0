//! What the container sees of files beyond its image: volumes, bind mounts, tmpfs, shared memory.

use gantry_api::container::CreateRequest;
use gantry_api::mount::Mount;

use super::{mount, value};
use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct StorageFlags {
    /// Attach a filesystem mount to the container
    #[arg(long, value_parser = mount::mount)]
    mount: Vec<Mount>,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_parser = value::bytes)]
    shm_size: Option<i64>,
    /// Storage driver options for the container
    #[arg(long, value_parser = value::pair)]
    storage_opt: Vec<(String, String)>,
    /// Mount a tmpfs directory
    #[arg(long)]
    tmpfs: Vec<String>,
    /// Bind mount a volume
    #[arg(short, long)]
    volume: Vec<String>,
    /// Optional volume driver for the container
    #[arg(long)]
    volume_driver: Option<String>,
    /// Mount volumes from the specified container(s)
    #[arg(long)]
    volumes_from: Vec<String>,
}

impl StorageFlags {
    pub(super) fn apply(&self, request: &mut CreateRequest) -> Result<(), Error> {
        for spec in &self.volume {
            match volume(spec)? {
                Volume::Anonymous(path) => {
                    request.config.volumes.insert(path);
                }
                Volume::Bind(bind) => request.host_config.binds.push(bind),
            }
        }
        let host = &mut request.host_config;
        host.mounts.clone_from(&self.mount);
        host.readonly_rootfs = self.read_only;
        host.shm_size = self.shm_size.unwrap_or_default();
        host.storage_opt = self.storage_opt.iter().cloned().collect();
        host.volume_driver = self.volume_driver.clone().unwrap_or_default();
        host.volumes_from.clone_from(&self.volumes_from);
        for spec in &self.tmpfs {
            let (path, options) = spec.split_once(':').unwrap_or((spec, ""));
            host.tmpfs.insert(path.to_owned(), options.to_owned());
        }
        Ok(())
    }
}

/// What one `-v` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Volume {
    Anonymous(String),
    Bind(String),
}

fn volume(spec: &str) -> Result<Volume, Error> {
    if spec.split(':').any(str::is_empty) {
        let text = format!("invalid spec: {spec}: empty section between colons");
        return Err(Error::Refused(text));
    }
    let Some((source, rest)) = spec.split_once(':') else {
        return Ok(Volume::Anonymous(spec.to_owned()));
    };
    let source = if source.starts_with('.') { absolute(source) } else { source.to_owned() };
    Ok(Volume::Bind(format!("{source}:{rest}")))
}

/// A relative host path seen from the current directory, without its dots. The daemon has another one.
pub(super) fn absolute(path: &str) -> String {
    let mut full = std::env::current_dir().unwrap_or_else(|_| "/".into());
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                full.pop();
            }
            name => full.push(name),
        }
    }
    full.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_volumes() {
        let here = std::env::current_dir().unwrap();
        let here = here.display();
        for (spec, expected) in [
            ("/data", Volume::Anonymous("/data".into())),
            ("/a:/b:ro", Volume::Bind("/a:/b:ro".into())),
            ("named:/b", Volume::Bind("named:/b".into())),
            ("./x/../y:/b", Volume::Bind(format!("{here}/y:/b"))),
            (".:/b:rw", Volume::Bind(format!("{here}:/b:rw"))),
        ] {
            assert_eq!(volume(spec).unwrap(), expected, "{spec}");
        }
        for spec in [":/x", "/x:", ":", "", "/a::ro"] {
            let error = volume(spec).unwrap_err().to_string();
            assert_eq!(error, format!("invalid spec: {spec}: empty section between colons"));
        }
    }
}
