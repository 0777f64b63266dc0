//! The bundle's `exits` file: every end of a process is written there before anyone hears of it.

use crate::error::Error;
use gantry_shim_protocol::EXITS_FILE;
use gantry_shim_protocol::exit::ExitRecord;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where the file is written anew, in the bundle.
const NEW_FILE: &str = "exits.new";

/// Appends one record. Gives how long the file is then, in bytes.
pub(crate) fn append(bundle: &Path, record: &ExitRecord) -> Result<u64, Error> {
    let path = bundle.join(EXITS_FILE);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    // One write: a record is whole or not there.
    let written = file.write_all(record.to_line().as_bytes());
    written.and_then(|()| Ok(file.metadata()?.len())).map_err(Error::file("write", path))
}

/// Leaves the records that `is_wanted`. Whoever dies in the middle of this leaves the file as it was.
pub(crate) fn condense(
    bundle: &Path,
    is_wanted: impl Fn(&ExitRecord) -> bool,
) -> Result<(), Error> {
    let (path, new) = (bundle.join(EXITS_FILE), bundle.join(NEW_FILE));
    let text = fs::read(&path).map_err(Error::file("read", &path))?;
    let text = String::from_utf8_lossy(&text);
    let wanted: String = text
        .split_inclusive('\n')
        .filter(|line| ExitRecord::parse(line).is_ok_and(|record| is_wanted(&record)))
        .collect();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&new)
        .and_then(|mut file| file.write_all(wanted.as_bytes()))
        .and_then(|()| fs::rename(&new, &path))
        // On a full disk the old one stays, and nothing of the new one.
        .inspect_err(|_| drop(fs::remove_file(&new)))
        .map_err(Error::file("write", new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantry_types::Timestamp;

    #[test]
    fn what_is_wanted_stays_in_its_order() {
        let record = |exec_id: &str, status| ExitRecord {
            id: "c".to_owned(),
            exec_id: exec_id.to_owned(),
            pid: 7,
            status,
            exited_at: Timestamp { seconds: 1, nanos: 2 },
            oom_killed: false,
        };
        let folder = tempfile::TempDir::new().unwrap();
        let records = [record("", 1), record("gone", 2), record("kept", 3), record("kept", 4)];
        let lengths = records.each_ref().map(|record| append(folder.path(), record).unwrap());
        assert!(lengths.is_sorted() && lengths[0] > 0);
        condense(folder.path(), |record| record.exec_id != "gone").unwrap();
        append(folder.path(), &record("later", 5)).unwrap();
        let text = fs::read_to_string(folder.path().join(EXITS_FILE)).unwrap();
        let read: Vec<_> =
            text.lines().map(|line| ExitRecord::parse(line).unwrap().status).collect();
        assert_eq!(read, [1, 3, 4, 5]);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
