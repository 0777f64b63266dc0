//! Where the bus is by which systemd is reached: the system's for the machine's root, that of the session for everybody else.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use gantry_runtime::{Caller, SYSTEM_BUS};

/// The bus's socket, from the environment as the bus's own library understands it.
pub(crate) fn find() -> io::Result<PathBuf> {
    Ok(match Caller::detect()? {
        Caller::Root => system_bus(env::var_os("DBUS_SYSTEM_BUS_ADDRESS")),
        Caller::NamespaceRoot | Caller::User => session_bus(
            env::var_os("DBUS_SESSION_BUS_ADDRESS"),
            env::var_os("XDG_RUNTIME_DIR"),
            rustix::process::geteuid().as_raw(),
        ),
    })
}

fn system_bus(address: Option<OsString>) -> PathBuf {
    path_of(address).unwrap_or_else(|| SYSTEM_BUS.into())
}

fn session_bus(address: Option<OsString>, runtime_dir: Option<OsString>, user: u32) -> PathBuf {
    path_of(address).unwrap_or_else(|| {
        let runtime_dir = runtime_dir.map(PathBuf::from).filter(|path| path.is_absolute());
        runtime_dir.unwrap_or_else(|| format!("/run/user/{user}").into()).join("bus")
    })
}

/// The first address with a path.
fn path_of(address: Option<OsString>) -> Option<PathBuf> {
    let address = address.and_then(|address| address.into_string().ok())?;
    let mut paths = address
        .split(';')
        .filter_map(|one| one.strip_prefix("unix:"))
        .flat_map(|keys| keys.split(','))
        .filter_map(|key| key.strip_prefix("path="));
    paths.next().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_bus_is_where_its_address_says() {
        for (address, path) in [
            (None, SYSTEM_BUS),
            (Some("unix:path=/a/b,guid=12"), "/a/b"),
            (Some("tcp:host=x;unix:guid=1,path=/c"), "/c"),
            (Some("unix:abstract=/x"), SYSTEM_BUS),
        ] {
            assert_eq!(system_bus(address.map(OsString::from)), Path::new(path), "{address:?}");
        }
        for (address, runtime_dir, path) in [
            (Some("unix:path=/a/b"), Some("/run/user/7"), "/a/b"),
            (None, Some("/run/user/7"), "/run/user/7/bus"),
            (None, Some("relative"), "/run/user/9/bus"),
            (None, None, "/run/user/9/bus"),
        ] {
            let found =
                session_bus(address.map(OsString::from), runtime_dir.map(OsString::from), 9);
            assert_eq!(found, Path::new(path), "{address:?} {runtime_dir:?}");
        }
    }
}
