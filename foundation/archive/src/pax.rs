//! PAX extended headers: `length key=value\n` records (POSIX.1-2017 `pax`, "Extended Header").

use std::collections::BTreeMap;

use gantry_types::Timestamp;

use crate::Xattr;
use crate::raw::Fault;
use crate::sparse::Segment;

/// How attributes are spelled: star's keyword, which GNU tar, Go and libarchive share.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// What the kernel lists at most of one file: `XATTR_LIST_MAX`.
const XATTR_NAME_BYTES: usize = 64 << 10;

/// What the records in front of one entry say; `None` leaves the header block's field as it is.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<i64>,
    pub(crate) gid: Option<i64>,
    pub(crate) modified: Option<Timestamp>,
    /// By name.
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes in the names of attributes, each with its end.
    xattr_names: usize,
    pub(crate) sparse: SparseRecords,
}

/// `GNU.sparse.*`.
#[derive(Debug, Default)]
pub(crate) struct SparseRecords {
    pub(crate) major: Option<u64>,
    pub(crate) minor: Option<u64>,
    pub(crate) name: Option<Vec<u8>>,
    /// `GNU.sparse.size` (0.x) or `GNU.sparse.realsize` (1.0).
    pub(crate) size: Option<u64>,
    /// 0.0 and 0.1; the format 1.0 has its map in front of the data.
    pub(crate) map: Option<Vec<Segment>>,
    /// 0.0: an offset that waits for its length.
    offset: Option<u64>,
}

impl Records {
    /// Adds one header's records; later ones win.
    pub(crate) fn parse(&mut self, mut body: &[u8], segments: usize) -> Result<(), Fault> {
        while !body.is_empty() {
            let (key, value, rest) = split_record(body)?;
            self.take(key, value, segments)?;
            body = rest;
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8], segments: usize) -> Result<(), Fault> {
        if let Some(name) = key.strip_prefix(XATTR) {
            return self.take_xattr(name, value);
        }
        if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.take(key, value, segments);
        }
        // An empty value takes an earlier record back.
        let given = (!value.is_empty()).then_some(value);
        match key {
            b"path" => self.path = given.map(text).transpose()?,
            b"linkpath" => self.link = given.map(text).transpose()?,
            b"size" => self.size = given.map(decimal).transpose()?,
            b"uid" => self.uid = given.map(id).transpose()?,
            b"gid" => self.gid = given.map(id).transpose()?,
            b"mtime" => self.modified = given.map(time).transpose()?,
            // Other times, names of owners, comments, vendors' keys.
            _ => {}
        }
        Ok(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.is_empty() || name.contains(&0) {
            return Err("the name of an extended attribute is invalid");
        }
        if self.xattrs.insert(name.to_vec(), value.to_vec()).is_none() {
            self.xattr_names += name.len() + 1;
        }
        if self.xattr_names > XATTR_NAME_BYTES {
            return Err("an entry has more extended attributes than a file can");
        }
        Ok(())
    }

    /// The attributes, ordered by name.
    pub(crate) fn take_xattrs(&mut self) -> Vec<Xattr> {
        let xattrs = std::mem::take(&mut self.xattrs);
        xattrs.into_iter().map(|(name, value)| Xattr { name, value }).collect()
    }
}

impl SparseRecords {
    fn take(&mut self, key: &[u8], value: &[u8], segments: usize) -> Result<(), Fault> {
        match key {
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"name" => self.name = Some(text(value)?),
            b"size" | b"realsize" => self.size = Some(decimal(value)?),
            b"numblocks" => self.map = Some(Vec::new()),
            b"offset" => self.offset = Some(decimal(value)?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or("a sparse length has no offset")?;
                let map = self.map.get_or_insert_default();
                if map.len() >= segments {
                    return Err("it has too many sparse segments");
                }
                map.push(Segment { offset, length: decimal(value)? });
            }
            b"map" => self.map = Some(map(value, segments)?),
            _ => {}
        }
        Ok(())
    }
}

/// 0.1: `offset,length,offset,length,…`.
fn map(value: &[u8], segments: usize) -> Result<Vec<Segment>, Fault> {
    let mut map = Vec::new();
    if value.is_empty() {
        return Ok(map);
    }
    let mut numbers = value.split(|&byte| byte == b',').map(decimal);
    while let Some(offset) = numbers.next() {
        let length = numbers.next().ok_or("a sparse offset has no length")??;
        if map.len() >= segments {
            return Err("it has too many sparse segments");
        }
        map.push(Segment { offset: offset?, length });
    }
    Ok(map)
}

/// Key, value and what follows the first record.
type Split<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn split_record(body: &[u8]) -> Result<Split<'_>, Fault> {
    const FAULT: Fault = "a PAX record is malformed";
    let space = body.iter().take(20).position(|&byte| byte == b' ').ok_or(FAULT)?;
    let length = usize::try_from(decimal(&body[..space])?).map_err(|_| FAULT)?;
    let record = body.get(space + 1..length).ok_or(FAULT)?;
    let record = record.strip_suffix(b"\n").ok_or(FAULT)?;
    let equals = record.iter().position(|&byte| byte == b'=').ok_or(FAULT)?;
    if equals == 0 {
        return Err(FAULT);
    }
    Ok((&record[..equals], &record[equals + 1..], &body[length..]))
}

/// Digits only: no sign, no spaces.
pub(crate) fn decimal(value: &[u8]) -> Result<u64, Fault> {
    const FAULT: Fault = "a PAX number is malformed";
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(FAULT);
    }
    let text = std::str::from_utf8(value).map_err(|_| FAULT)?;
    let number: u64 = text.parse().map_err(|_| FAULT)?;
    // The kernel's offsets are signed.
    i64::try_from(number).map_err(|_| FAULT)?;
    Ok(number)
}

fn id(value: &[u8]) -> Result<i64, Fault> {
    decimal(value).map(u64::cast_signed)
}

fn text(value: &[u8]) -> Result<Vec<u8>, Fault> {
    if value.contains(&0) {
        return Err("a path has a NUL in it");
    }
    Ok(value.to_vec())
}

/// Seconds with decimals, negative before 1970.
fn time(value: &[u8]) -> Result<Timestamp, Fault> {
    const FAULT: Fault = "a PAX time is malformed";
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(value) => (true, value),
        None => (false, value),
    };
    let point = value.iter().position(|&byte| byte == b'.').unwrap_or(value.len());
    let seconds = id(&value[..point]).map_err(|_| FAULT)?;
    let decimals = value.get(point + 1..).unwrap_or(b"");
    if !decimals.iter().all(u8::is_ascii_digit) {
        return Err(FAULT);
    }
    let nanos = decimals
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(9)
        .fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    Ok(match (negative, nanos) {
        (false, _) => Timestamp { seconds, nanos },
        (true, 0) => Timestamp { seconds: -seconds, nanos },
        (true, _) => Timestamp { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(body: &[u8]) -> Result<Records, Fault> {
        let mut records = Records::default();
        records.parse(body, 4).map(|()| records)
    }

    #[test]
    fn reads_records() {
        let parsed = records(
            b"12 path=a/b\n9 uid=70\n20 mtime=-1.2500000\n31 SCHILY.xattr.user.x=a=b\n\0yz\n",
        )
        .unwrap();
        assert_eq!(parsed.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(parsed.uid, Some(70));
        assert_eq!(parsed.modified, Some(Timestamp { seconds: -2, nanos: 750_000_000 }));
        assert_eq!(parsed.xattrs[&b"user.x"[..]], b"a=b\n\0yz");
        assert_eq!(records(b"12 path=a/b\n8 path=\n").unwrap().path, None);
    }

    #[test]
    fn reads_sparse_maps() {
        let map = records(b"26 GNU.sparse.map=1,2,3,4\n").unwrap().sparse.map.unwrap();
        assert_eq!(map.len(), 2);
        assert_eq!((map[1].offset, map[1].length), (3, 4));
        assert!(records(b"24 GNU.sparse.map=1,2,3\n").is_err());
        assert!(records(b"38 GNU.sparse.map=1,1,2,1,3,1,4,1,5,1\n").is_err());
    }

    #[test]
    fn limits_the_names_of_attributes() {
        let many = |count: usize, name: &dyn Fn(usize) -> String| {
            let records = (0..count).map(|at| format!("34 SCHILY.xattr.user.{}=v\n", name(at)));
            records.collect::<String>().into_bytes()
        };
        // Ten digits, and the prefix and the end: 16 bytes for each name.
        let distinct = |at: usize| format!("{at:010}");
        assert_eq!(records(&many(4096, &distinct)).unwrap().take_xattrs().len(), 4096);
        assert!(records(&many(4097, &distinct)).is_err());
        // One that comes again is still one.
        assert_eq!(records(&many(5000, &|_| distinct(0))).unwrap().take_xattrs().len(), 1);
    }

    #[test]
    fn refuses_malformed_records() {
        for body in [
            &b"path=a\n"[..],
            b"0 \n",
            b"5 a=b\n",
            b"7 a=b\n",
            b"99 path=a\n",
            b"18446744073709551615 path=a\n",
            b"6 a=bc",
            b"5 =b\n",
            b"5 abc\n",
            b"13 size=-100\n",
            b"27 size=99999999999999999999\n",
            b"11 path=a\0\n",
            b"+8 uid=1\n",
        ] {
            assert!(records(body).is_err(), "{:?}", String::from_utf8_lossy(body));
        }
    }
}
