//! `create [--bundle DIR] ID`: and, for `run`, everything up to a container that waits.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gantry_oci::runtime::{NamespaceKind, Spec};
use gantry_runtime::{CreateFlags, CreateOptions};
use gantry_sys::self_copy::Pending;

use crate::arguments::{Arguments, Flag, switch, value};
use crate::error::Error;
use crate::global::Global;
use crate::notify;
use crate::run_process::{Attendance, FLAGS};

const DOCUMENT_LIMIT_BYTES: u64 = 16 << 20;
/// Beside the containers' directories; no id has such a letter.
const FILTER_CACHE: &str = "filters~";

/// Flags of `create` and `run`.
pub(super) const CREATE_FLAGS: [Flag; 3] =
    [value("bundle").short("b"), switch("no-pivot"), switch("no-new-keyring")];

pub(super) fn run(global: &Global, args: Vec<String>) -> Result<u8, Error> {
    let flags: Vec<Flag> = CREATE_FLAGS.into_iter().chain(FLAGS).collect();
    let args = Arguments::parse("create", &flags, args)?;
    let attendance = Attendance::new(&args, true)?;
    let id = args.only_id("create")?;
    let mut created = create(global, id, &args, &attendance, gantry_runtime::create)?;
    let announced = attendance.announce(created.pid, &created.pidfd, created.terminal.take());
    if let Err(error) = announced {
        undo(global, id)?;
        return Err(error);
    }
    Ok(0)
}

/// Makes the container from the flags, with one of the library's ways to make it.
pub(super) fn create<T>(
    global: &Global,
    id: &str,
    args: &Arguments,
    attendance: &Attendance,
    make: impl FnOnce(&CreateOptions<'_>) -> Result<T, gantry_runtime::Error>,
) -> Result<T, Error> {
    let own_copy = copy_own_program(Pending::start_to_be_asked)?;
    let bundle = PathBuf::from(args.get("bundle").unwrap_or("."));
    let spec = read_spec(&bundle)?;
    warn(global, &spec);
    let terminal = spec.process.as_ref().is_some_and(|process| process.terminal);
    let state_dir = global.state_dir(id)?;
    make_root(&global.root)?;
    let notify = notify::manager().is_some();
    let options = CreateOptions {
        spec: Some(&spec),
        stdio: attendance.stdio(terminal)?,
        preserve_fds: attendance.inherited.count,
        env: &attendance.inherited.env,
        system_bus: &global.system_bus,
        cgroup_refusals: global.cgroup_refusals,
        filter_cache: Some(&global.root.join(FILTER_CACHE)),
        own_copy: Some(&own_copy),
        search_path: &global.search_path,
        notify,
        start_at_once: !(notify || attendance.announces()),
        flags: CreateFlags {
            no_pivot: args.is_set("no-pivot"),
            no_new_keyring: args.is_set("no-new-keyring"),
            systemd_cgroup: global.systemd_cgroup,
        },
        ..CreateOptions::new(id, &bundle, &state_dir)
    };
    let made = make(&options)?;
    // The container waits, and this program ends soon: giving its memory back would only take time.
    std::mem::forget(spec);
    Ok(made)
}

/// Capabilities that a container will not have although its document names them.
fn warn(global: &Global, spec: &Spec) {
    let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    let has_user = namespaces.into_iter().any(|namespace| namespace.kind == NamespaceKind::User);
    if let Some(names) = spec.process.as_ref().and_then(|process| process.capabilities.as_ref()) {
        for warning in gantry_runtime::capability_warnings(names, has_user) {
            global.log.warn(&warning);
        }
    }
}

/// The directory of records, for its owner alone. The sticky bit keeps those who tidy up `XDG_RUNTIME_DIR` away.
pub(super) fn make_root(root: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o1700).create(root).map_err(|source| {
        let what = match source.kind() {
            io::ErrorKind::PermissionDenied => "set XDG_RUNTIME_DIR or give --root: make",
            _ => "make",
        };
        Error::File { what, path: root.to_owned(), source }
    })
}

/// Removes a container whose caller was not served to the end.
pub(super) fn undo(global: &Global, id: &str) -> Result<(), Error> {
    let state_dir = global.state_dir(id)?;
    let warnings = match gantry_runtime::delete(&state_dir, gantry_runtime::DeleteMode::Force) {
        // Somebody was here before; the goal is reached.
        Err(gantry_runtime::Error::NotFound { .. }) => return Ok(()),
        deleted => deleted?,
    };
    warn_each(global, &warnings);
    Ok(())
}

pub(super) fn warn_each(global: &Global, warnings: &[String]) {
    for warning in warnings {
        global.log.warn(warning);
    }
}

/// Processes of ours enter containers: they must not bring a way to the program on disk.
/// The copy is made while this program does what comes before.
pub(super) fn copy_own_program(
    start: impl FnOnce(&Pending) -> io::Result<()>,
) -> Result<Pending, Error> {
    let copy = gantry_sys::self_copy::begin();
    copy.and_then(|copy| start(&copy).map(|()| copy))
        .map_err(|source| Error::System { what: "run from a sealed copy of the program", source })
}

/// A bundle's document.
pub(super) fn read_spec(bundle: &Path) -> Result<Spec, Error> {
    let path = bundle.join("config.json");
    let text = read_document(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::File {
            what: "JSON specification file config.json not found:",
            path: path.clone(),
            source,
        },
        _ => Error::File { what: "read", path: path.clone(), source },
    })?;
    serde_json::from_slice(&text).map_err(|source| Error::Parse { path, source })
}

/// The same limit as the runtime's own for what it reads again.
pub(super) fn read_document(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(fs::File::open(path)?)
}

/// The same of a document that comes from anywhere.
pub(super) fn read_bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(DOCUMENT_LIMIT_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > DOCUMENT_LIMIT_BYTES {
        let reason = format!("larger than {DOCUMENT_LIMIT_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(text)
}
