//! The packages of rpm: its database, where that is the form of `SQLite` (rpm 4.16 and later), and of each package the header that lies in
//! it. Databases in Berkeley DB's form and in that of rpm's own (`Packages`, `Packages.db`) are not read.

mod sqlite;

use crate::files::Files;
use crate::package::{Ecosystem, Package};
use crate::{Found, Result};
use sqlite::Database;

/// Where it lies: as rpm has it itself, as Fedora and SUSE have it, and in images of ostree. One may be a link to another.
const PLACES: [&str; 3] =
    ["var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite"];
/// The table with a header in each row.
const TABLE: &str = "Packages";
/// A key that signs packages is in the list as if it were one.
const KEY: &str = "gpg-pubkey";

/// Tags of a header (`rpmtag.h`).
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const VENDOR: u32 = 1011;
const LICENSE: u32 = 1014;
const ARCHITECTURE: u32 = 1022;

/// What rpm has installed.
pub(crate) fn packages(
    files: &Files<'_>,
    wanted: &dyn Fn() -> Result<()>,
    all: &mut Found,
) -> Result<()> {
    for place in PLACES {
        let Some(file) = files.open(place)? else { continue };
        let log = files.open(&format!("{place}-wal"))?;
        let Some(database) = Database::open(file, log) else { continue };
        let mut count = 0;
        // What cannot be understood has no packages; what came before it has.
        database.rows(TABLE, wanted, &mut |blob| {
            let Some(package) = package(blob, place) else { return Ok(()) };
            count += 1;
            all.add(package)
        })?;
        if count > 0 {
            break;
        }
    }
    Ok(())
}

fn package(header: &[u8], place: &str) -> Option<Package> {
    let header = Header::read(header)?;
    let name = header.text(NAME)?;
    if name == KEY {
        return None;
    }
    let version = format!("{}-{}", header.text(VERSION)?, header.text(RELEASE)?);
    let version = match header.number(EPOCH) {
        None | Some(0) => version,
        Some(epoch) => format!("{epoch}:{version}"),
    };
    let mut package = Package::new(Ecosystem::Rpm, &name, &version, place);
    package.architecture = header.text(ARCHITECTURE).unwrap_or_default();
    package.license = header.text(LICENSE).unwrap_or_default();
    package.supplier = header.text(VENDOR).unwrap_or_default();
    Some(package)
}

/// A header: an index, and the data that it points into.
struct Header<'h> {
    index: &'h [u8],
    data: &'h [u8],
}

impl<'h> Header<'h> {
    /// Bytes of an entry of the index: tag, type, offset and count.
    const ENTRY: usize = 16;

    fn read(bytes: &'h [u8]) -> Option<Self> {
        let entries = usize::try_from(number(bytes, 0)?).ok()?;
        let length = usize::try_from(number(bytes, 4)?).ok()?;
        let (index, rest) = bytes.get(8..)?.split_at_checked(entries.checked_mul(Self::ENTRY)?)?;
        Some(Self { index, data: rest.get(..length)? })
    }

    fn data(&self, tag: u32) -> Option<&'h [u8]> {
        let entry = self.index.chunks(Self::ENTRY).find(|entry| number(entry, 0) == Some(tag))?;
        self.data.get(usize::try_from(number(entry, 8)?).ok()?..)
    }

    /// A text, or the first of several.
    fn text(&self, tag: u32) -> Option<String> {
        let data = self.data(tag)?;
        let end = data.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(&data[..end]).into_owned();
        Some(text).filter(|text| !text.is_empty() && text != "(none)")
    }

    fn number(&self, tag: u32) -> Option<u32> {
        number(self.data(tag)?, 0)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(tags: &[(u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, value) in tags {
            for number in [*tag, 6, u32::try_from(data.len()).unwrap(), 1] {
                index.extend_from_slice(&number.to_be_bytes());
            }
            data.extend_from_slice(value);
        }
        let counts = [tags.len(), data.len()].map(|count| u32::try_from(count).unwrap());
        let counts: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        [counts, index, data].concat()
    }

    #[test]
    fn headers_are_packages() {
        let tags: &[(u32, &[u8])] = &[
            (NAME, b"bash\0"),
            (VERSION, b"5.2\0"),
            (RELEASE, b"3.fc41\0"),
            (EPOCH, &[0, 0, 0, 1]),
            (ARCHITECTURE, b"x86_64\0"),
            (LICENSE, b"GPL-3.0-or-later\0"),
        ];
        let found = package(&header(tags), "x").unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("bash", "1:5.2-3.fc41"));
        assert_eq!(
            (found.architecture.as_str(), found.license.as_str()),
            ("x86_64", "GPL-3.0-or-later")
        );
        let key: &[(u32, &[u8])] = &[(NAME, b"gpg-pubkey\0"), (VERSION, b"1\0"), (RELEASE, b"1\0")];
        assert_eq!(package(&header(key), "x"), None);
    }

    #[test]
    fn torn_headers_are_none() {
        let whole = header(&[(NAME, b"a\0"), (VERSION, b"1\0"), (RELEASE, b"2\0")]);
        for length in 0..whole.len() {
            assert_eq!(package(&whole[..length], "x"), None, "{length}");
        }
        let huge = [&u32::MAX.to_be_bytes()[..], &u32::MAX.to_be_bytes(), &[0; 64]].concat();
        assert_eq!(package(&huge, "x"), None);
        // A text that does not end, and one that begins nowhere.
        assert_eq!(package(&header(&[(NAME, b"a")]), "x"), None);
    }
}
