//! A directory's content on the disk: blocks of entries, each block with its names behind its entries,
//! all ordered by the bytes of the names.

use crate::inode::{BLOCK, BLOCK_LEN};
use crate::{Kind, Nid};

/// Bytes in an entry, without the name.
const ENTRY: usize = 12;

/// One name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) nid: Nid,
    pub(crate) kind: Kind,
}

/// Bytes of a directory with these names, in order, `.` and `..` among them.
pub(crate) fn size_of<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let (mut full, mut used) = (0, 0);
    for name in names {
        let more = ENTRY + name.len();
        if used + more > BLOCK_LEN {
            full += BLOCK;
            used = 0;
        }
        used += more;
    }
    full + used as u64
}

/// The content of a directory with these names, in order.
pub(crate) fn encode(names: &[Name<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = names;
    while !rest.is_empty() {
        let mut used = 0;
        let fit = rest.iter().take_while(|name| {
            used += ENTRY + name.text.len();
            used <= BLOCK_LEN
        });
        let (block, later) = rest.split_at(fit.count());
        if block.is_empty() {
            // A name is shorter than a block: the tree sees to it.
            break;
        }
        encode_block(block, &mut bytes);
        rest = later;
        if !rest.is_empty() {
            bytes.resize(bytes.len().next_multiple_of(BLOCK_LEN), 0);
        }
    }
    bytes
}

fn encode_block(names: &[Name<'_>], bytes: &mut Vec<u8>) {
    let mut offset = names.len() * ENTRY;
    for name in names {
        bytes.extend_from_slice(&name.nid.number().to_le_bytes());
        // Below 4096.
        bytes.extend_from_slice(&u16::try_from(offset).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&[name.kind.in_directory(), 0]);
        offset += name.text.len();
    }
    for name in names {
        bytes.extend_from_slice(name.text);
    }
}

/// The names in one block of a directory, each with its inode's number; nothing when the block is damaged.
pub(crate) fn decode_block(block: &[u8]) -> Option<Vec<(&[u8], u64)>> {
    let offset_of = |index: usize| {
        let field = block.get(index * ENTRY + 8..index * ENTRY + 10)?;
        Some(usize::from(u16::from_le_bytes(field.try_into().ok()?)))
    };
    // The first name begins where the entries end.
    let first = offset_of(0)?;
    let count = first / ENTRY;
    if first % ENTRY != 0 || count == 0 || first > block.len() {
        return None;
    }
    let mut names = Vec::with_capacity(count);
    for index in 0..count {
        let number = block.get(index * ENTRY..index * ENTRY + 8)?;
        let start = offset_of(index)?;
        let name = if index + 1 < count {
            block.get(start..offset_of(index + 1)?)?
        } else {
            let rest = block.get(start..)?;
            // The last name of a block that is not full is followed by zeros.
            let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
            &rest[..end]
        };
        if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
            return None;
        }
        names.push((name, u64::from_le_bytes(number.try_into().ok()?)));
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_foretell_what_is_written() {
        for (count, length) in [(2, 1), (100, 10), (1000, 255), (341, 1), (5000, 8)] {
            let texts: Vec<Vec<u8>> = (0..count)
                .map(|at| {
                    let mut text = format!("{at:04}").into_bytes();
                    text.resize(length, b'x');
                    text
                })
                .collect();
            let names: Vec<Name<'_>> = texts
                .iter()
                .map(|text| Name { text, nid: Nid::at(64), kind: Kind::File })
                .collect();
            let size = size_of(texts.iter().map(|text| &text[..]));
            assert_eq!(encode(&names).len() as u64, size, "{count} of {length}");
        }
    }

    #[test]
    fn a_block_has_its_entries_first() {
        let names = [
            Name { text: b"..", nid: Nid::at(32), kind: Kind::Directory },
            Name { text: b"a", nid: Nid::at(640), kind: Kind::Symlink },
        ];
        let bytes = encode(&names);
        assert_eq!(bytes[..12], [1, 0, 0, 0, 0, 0, 0, 0, 24, 0, 2, 0]);
        assert_eq!(bytes[12..24], [20, 0, 0, 0, 0, 0, 0, 0, 26, 0, 7, 0]);
        assert_eq!(&bytes[24..], b"..a");
    }
}
