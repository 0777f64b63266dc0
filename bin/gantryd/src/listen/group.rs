//! The group that may use unix sockets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::Error;

/// The group that hosts with Docker have for it.
const DOCKER: &str = "docker";
const FILE: &str = "/etc/group";
/// No host has more groups than fit in.
const MAX_BYTES: u64 = 8 << 20;

/// The group's id; without a name, Docker's group if the host has one. A name that nobody knows is an error.
pub(super) fn of_sockets(named: Option<&str>, socket: &Path) -> Result<Option<u32>, Error> {
    let failed = |group: &str, source| Error::SocketGroup {
        path: socket.to_owned(),
        group: group.to_owned(),
        source,
    };
    match named {
        // Docker's word for root's alone.
        Some("") => Ok(None),
        Some(name) => {
            let unknown = || {
                let text = format!("there is no such group in {FILE}");
                failed(name, io::Error::new(io::ErrorKind::NotFound, text))
            };
            id(name).map_err(|error| failed(name, error))?.ok_or_else(unknown).map(Some)
        }
        None => Ok(id(DOCKER).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read {FILE}: the socket is root's alone");
            None
        })),
    }
}

fn id(name: &str) -> io::Result<Option<u32>> {
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let mut text = String::new();
    File::open(FILE)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(find(&text, name))
}

/// The id in a line `name:password:id:members`.
fn find(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_numbers() {
        let groups = "root:x:0:\ndocker:x:998:alice,bob\nbroken\nbad:x:y:\n";
        assert_eq!(find(groups, "docker"), Some(998));
        for name in ["dock", "broken", "bad", "alice"] {
            assert_eq!(find(groups, name), None, "{name}");
        }
        let socket = Path::new("/s");
        assert_eq!(of_sockets(Some("42"), socket).unwrap(), Some(42));
        assert_eq!(of_sockets(Some("root"), socket).unwrap(), Some(0));
        assert_eq!(of_sockets(Some(""), socket).unwrap(), None);
        let error = of_sockets(Some("no-such-group"), socket).unwrap_err();
        assert!(error.to_string().contains("no-such-group"));
    }
}
