//! The command line, as containerd gives it. Flags have one dash or two, and their value follows after
//! `=` or as the next word.

use crate::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Delete,
    Version,
    Info,
}

/// The whole command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) action: Action,
    pub(crate) id: String,
    pub(crate) namespace: String,
    /// containerd's own address; events go to another one, see `start`.
    pub(crate) address: String,
    /// Only with delete; else the working directory is the bundle.
    pub(crate) bundle: Option<PathBuf>,
}

impl Flags {
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, Error> {
        let mut action = None;
        let (mut id, mut namespace, mut address) = (String::new(), String::new(), String::new());
        let mut bundle = None;
        let mut words = arguments.map(|word| {
            word.into_string().map_err(|word| Error::Usage {
                reason: format!("{} is not UTF-8", word.to_string_lossy()),
            })
        });
        while let Some(word) = words.next().transpose()? {
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                action = Some(match word.as_str() {
                    "start" => Action::Start,
                    "delete" => Action::Delete,
                    _ => return Err(usage(format!("unknown command {word:?}"))),
                });
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            match name {
                "v" | "version" => action = Some(Action::Version),
                "info" => action = Some(Action::Info),
                "debug" => continue,
                "id" | "namespace" | "address" | "bundle" | "publish-binary" | "socket"
                | "debug-socket" => {}
                _ => return Err(usage(format!("unknown flag {word:?}"))),
            }
            if matches!(name, "v" | "version" | "info") {
                continue;
            }
            let value = value.map_or_else(|| words.next().transpose(), |value| Ok(Some(value)))?;
            let value = value.ok_or_else(|| usage(format!("flag {word:?} has no value")))?;
            match name {
                "id" => id = value,
                "namespace" => namespace = value,
                "address" => address = value,
                "bundle" if !value.is_empty() => bundle = Some(PathBuf::from(value)),
                _ => {}
            }
        }
        let action = action.ok_or_else(|| usage("say start, delete, -v or -info".to_owned()))?;
        Ok(Self { action, id, namespace, address, bundle })
    }
}

fn usage(reason: String) -> Error {
    Error::Usage { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, Error> {
        Flags::parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn containerds_lines_are_read() {
        let flags = parse(
            "-namespace default -address /run/c.sock -publish-binary /bin/c -id c1 -debug start",
        )
        .unwrap();
        assert_eq!((flags.action, flags.id.as_str()), (Action::Start, "c1"));
        assert_eq!((flags.namespace.as_str(), flags.address.as_str()), ("default", "/run/c.sock"));
        let flags = parse("-namespace=n --id=c1 -bundle /b delete").unwrap();
        assert_eq!((flags.action, flags.bundle), (Action::Delete, Some(PathBuf::from("/b"))));
        assert_eq!(parse("-v").unwrap().action, Action::Version);
        assert_eq!(parse("-info").unwrap().action, Action::Info);
    }

    #[test]
    fn other_lines_are_refused_by_name() {
        for (line, named) in
            [("", "unknown command"), ("stop", "stop"), ("-x start", "-x"), ("start -id", "-id")]
        {
            let text = parse(line).unwrap_err().to_string();
            assert!(text.contains(named), "{text}");
        }
        assert!(parse("-id c1").unwrap_err().to_string().contains("say start"));
    }
}
