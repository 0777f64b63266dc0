//! What a managed plugin says of paths: they are its own, and mean other ones on the host.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use gantry_plugins::managed::Record;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use crate::Result;
use crate::engine::Engine;
use crate::error::Error;

/// Where a log plugin finds its fifos.
pub(super) const LOGGING: &str = "/run/docker/logging";

/// The whole name of the managed plugin that a driver's name means; nothing where it means none.
pub(crate) fn full_name(engine: &Engine, driver: &str) -> Option<String> {
    engine.managed_plugins.named(driver).map(|record| record.familiar())
}

/// Where the fifos of a managed log plugin are, on the host and for the plugin.
pub(crate) fn log_folder(engine: &Engine, driver: &str) -> Option<(PathBuf, &'static str)> {
    let record = engine.managed_plugins.named(driver)?;
    Some((engine.settings.plugin_logging(&record.id), LOGGING))
}

/// A path of a plugin's as the host's: a root, and the path below it. Nothing for plugins that are not managed.
fn scoped(engine: &Engine, driver: &str, path: &str) -> Option<(PathBuf, PathBuf)> {
    let record = engine.managed_plugins.named(driver)?;
    let (root, rest) = within(&record, path);
    let root = match root {
        Within::Propagated => engine.managed_plugins.propagated(&record.id),
        Within::Root => engine.managed_plugins.rootfs(&record.id),
    };
    Some((root, rest))
}

#[derive(Debug, PartialEq, Eq)]
enum Within {
    Propagated,
    Root,
}

/// Steps back are not gone, here or by the kernel.
fn within(record: &Record, path: &str) -> (Within, PathBuf) {
    let plain = |path: &Path| -> PathBuf {
        path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
    };
    let propagated = &record.config.propagated_mount;
    if !propagated.is_empty()
        && let Ok(rest) = Path::new(path).strip_prefix(propagated)
    {
        return (Within::Propagated, plain(rest));
    }
    (Within::Root, plain(Path::new(path)))
}

/// What `inspect` shows of a path that a plugin told.
pub(crate) fn told_path(engine: &Engine, driver: &str, path: &str) -> String {
    match scoped(engine, driver, path) {
        Some((root, rest)) => root.join(rest).to_string_lossy().into_owned(),
        None => path.to_owned(),
    }
}

/// Opens the directory that a managed plugin told, without leaving what is the plugin's; nothing for other plugins.
pub(crate) fn open_place(engine: &Engine, driver: &str, path: &str) -> Result<Option<OwnedFd>> {
    scoped(engine, driver, path).map(|(root, rest)| open_below(&root, &rest)).transpose()
}

/// The same for a path as [`told_path`] showed it.
pub(crate) fn open_shown(engine: &Engine, driver: &str, path: &str) -> Result<Option<OwnedFd>> {
    let Some(record) = engine.managed_plugins.named(driver) else { return Ok(None) };
    let (plugins, id) = (&engine.managed_plugins, &record.id);
    let below = |root: PathBuf| {
        let rest = Path::new(path).strip_prefix(&root).ok()?.to_owned();
        Some(open_below(&root, &rest))
    };
    below(plugins.propagated(id)).or_else(|| below(plugins.rootfs(id))).transpose()
}

/// Steps back and links do not lead out of `root`.
fn open_below(root: &Path, rest: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |errno: rustix::io::Errno| {
            Error::file("open the plugin's directory", path)(errno.into())
        }
    };
    let dir = openat2(CWD, root, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
        .map_err(failed(root))?;
    if rest.as_os_str().is_empty() {
        return Ok(dir);
    }
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(&dir, rest, flags, Mode::empty(), resolve).map_err(failed(&root.join(rest)))
}

#[cfg(test)]
mod tests {
    use gantry_oci::image::Descriptor;
    use gantry_plugins::managed::{defaults, parse};
    use gantry_types::Digest;

    use super::*;

    #[test]
    fn paths_of_plugins_stay_theirs() {
        let text = r#"{"entrypoint": ["/p"], "propagatedMount": "/mnt/volumes",
            "interface": {"types": ["docker.volumedriver/1.0"], "socket": "p.sock"}}"#;
        let config = parse(text.as_bytes()).unwrap();
        let record = Record {
            id: "1".to_owned(),
            name: "a/b:1".parse().unwrap(),
            origin: String::new(),
            manifest: Descriptor::new("", Digest::sha256([0; 32]), 0),
            settings: defaults(&config),
            config,
            enabled: false,
            timeout_s: 0,
        };
        for (path, root, rest) in [
            ("/mnt/volumes/a", Within::Propagated, "a"),
            ("/mnt/volumes", Within::Propagated, ""),
            ("/mnt/volumes/../../etc", Within::Propagated, "etc"),
            ("/mnt/volumesx/a", Within::Root, "mnt/volumesx/a"),
            ("/../etc", Within::Root, "etc"),
        ] {
            assert_eq!(within(&record, path), (root, rest.into()), "{path}");
        }
    }
}
