//! The local driver's options: `type`, `o` and `device`, as mount(8) would take them.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::net::{IpAddr, ToSocketAddrs};

use rustix::mount::MountFlags;

use crate::{Error, Result, VolumeName};

/// What is mounted on a volume's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountWish {
    pub(crate) kind: String,
    pub(crate) device: String,
    pub(crate) flags: MountFlags,
    /// What only the file system understands.
    pub(crate) data: Vec<String>,
}

/// Fails on what the driver does not have.
pub(crate) fn check(name: &VolumeName, options: &BTreeMap<String, String>) -> Result<()> {
    wish(name, options).map(drop)
}

/// What to mount; nothing when there are no options.
pub(crate) fn wish(
    name: &VolumeName,
    options: &BTreeMap<String, String>,
) -> Result<Option<MountWish>> {
    let invalid = |reason: String| Error::InvalidOptions { name: name.to_string(), reason };
    if options.is_empty() {
        return Ok(None);
    }
    for (key, value) in options {
        match key.as_str() {
            "type" | "o" | "device" => {}
            "size" => {
                return Err(invalid(
                    "quota size requested but no quota support on this host's file system"
                        .to_owned(),
                ));
            }
            other => return Err(invalid(format!("invalid option: {other:?}"))),
        }
        if value.contains('\0') {
            return Err(invalid(format!("the option {key} has a NUL byte in it")));
        }
    }
    let text = |key: &str| options.get(key).cloned().unwrap_or_default();
    for key in ["device", "type"] {
        if text(key).is_empty() {
            return Err(invalid(format!("missing required option: {key:?}")));
        }
    }
    let (flags, data) = split(&text("o"));
    Ok(Some(MountWish { kind: text("type"), device: text("device"), flags, data }))
}

/// Flags of mount(2), and the rest.
fn split(text: &str) -> (MountFlags, Vec<String>) {
    let (mut flags, mut data) = (MountFlags::empty(), Vec::new());
    for word in text.split(',').filter(|word| !word.is_empty()) {
        match flag(word) {
            Some((flag, true)) => flags |= flag,
            Some((flag, false)) => flags -= flag,
            None => data.push(word.to_owned()),
        }
    }
    (flags, data)
}

/// The flag that a word sets or clears. Words that mean nothing to the kernel are empty flags.
fn flag(word: &str) -> Option<(MountFlags, bool)> {
    Some(match word {
        "defaults" | "rw" => (MountFlags::RDONLY, false),
        "ro" => (MountFlags::RDONLY, true),
        "bind" => (MountFlags::BIND, true),
        "rbind" => (MountFlags::BIND | MountFlags::REC, true),
        "nosuid" => (MountFlags::NOSUID, true),
        "suid" => (MountFlags::NOSUID, false),
        "nodev" => (MountFlags::NODEV, true),
        "dev" => (MountFlags::NODEV, false),
        "noexec" => (MountFlags::NOEXEC, true),
        "exec" => (MountFlags::NOEXEC, false),
        "sync" => (MountFlags::SYNCHRONOUS, true),
        "async" => (MountFlags::SYNCHRONOUS, false),
        "dirsync" => (MountFlags::DIRSYNC, true),
        "noatime" => (MountFlags::NOATIME, true),
        "atime" => (MountFlags::NOATIME, false),
        "nodiratime" => (MountFlags::NODIRATIME, true),
        "diratime" => (MountFlags::NODIRATIME, false),
        "relatime" => (MountFlags::RELATIME, true),
        "norelatime" => (MountFlags::RELATIME, false),
        "strictatime" => (MountFlags::STRICTATIME, true),
        _ => return None,
    })
}

impl MountWish {
    /// The file system's own options. The kernel's network file systems take addresses only: a name becomes one.
    pub(crate) fn data(&self) -> Result<Option<CString>> {
        let mut words = self.data.clone();
        if self.kind.starts_with("nfs") || self.kind == "cifs" {
            for word in &mut words {
                if let Some(host) = word.strip_prefix("addr=") {
                    *word = format!("addr={}", address(host)?);
                }
            }
        }
        if words.is_empty() {
            return Ok(None);
        }
        // A NUL was refused when the volume was made.
        Ok(CString::new(words.join(",")).ok())
    }
}

fn address(host: &str) -> Result<IpAddr> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let failed = |source| Error::Resolve { host: host.to_owned(), source };
    let mut found = (host, 0).to_socket_addrs().map_err(failed)?;
    let none = || failed(std::io::Error::from(std::io::ErrorKind::NotFound));
    found.next().map(|address| address.ip()).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<MountWish>> {
        let options =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        wish(&"data".parse().unwrap(), &options)
    }

    #[test]
    fn options_as_mount_takes_them() {
        assert_eq!(read(&[]).unwrap(), None);
        let wish =
            read(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,nosuid,uid=5,ro,rw")])
                .unwrap()
                .unwrap();
        assert_eq!(wish.flags, MountFlags::NOSUID);
        assert_eq!(wish.data().unwrap().unwrap().to_str().unwrap(), "size=1m,uid=5");
        let wish = read(&[("type", "none"), ("device", "/srv"), ("o", "bind")]).unwrap().unwrap();
        assert_eq!((wish.flags, wish.data().unwrap()), (MountFlags::BIND, None));
        let wish = read(&[("type", "nfs"), ("device", ":/x"), ("o", "addr=127.0.0.1,rw")]).unwrap();
        assert_eq!(wish.unwrap().data().unwrap().unwrap().to_str().unwrap(), "addr=127.0.0.1");
    }

    #[test]
    fn refusals() {
        for (pairs, reason) in [
            (&[("foo", "bar")][..], "create data: invalid option: \"foo\""),
            (&[("type", "tmpfs")], "create data: missing required option: \"device\""),
            (&[("device", "/x")], "create data: missing required option: \"type\""),
        ] {
            assert_eq!(read(pairs).unwrap_err().to_string(), reason);
        }
        assert!(read(&[("size", "1g")]).unwrap_err().to_string().contains("no quota support"));
    }
}
