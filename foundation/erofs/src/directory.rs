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
