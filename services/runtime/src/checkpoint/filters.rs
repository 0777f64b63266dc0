//! The system call filters in a directory of images (`seccomp.img`, `images/seccomp.proto` of CRIU 3.17 to 4).
//!
//! While the restored processes stand still CRIU traces them, and the kernel shows filters to the one tracer only. But a filter is in
//! force together with all those that it was added to, and the kernel tells that there is one: so it is enough that every chain in the
//! images begins with the bundle's.

use gantry_protobuf::{Message, messages};

use super::images::ImageDir;
use crate::error::Error;
use crate::filter::Filter;

const FILE: &str = "seccomp.img";
const LIMIT_BYTES: u64 = 64 << 20;
/// Two numbers at the beginning of an image: one for all, one for this kind.
const MAGIC: [u32; 2] = [0x5456_4319, 0x6441_3049];

messages! {
    struct Image {
        1 => filters: Vec<Link>,
    }

    struct Link {
        1 => program: Vec<u8>,
        /// The one that it was added to; none for the first.
        2 => before: Option<u32>,
    }
}

/// Refuses images with filters that are not founded on the bundle's.
pub(super) fn check(images: &ImageDir, filter: &Filter) -> Result<(), Error> {
    let bytes = images.read(FILE, LIMIT_BYTES)?.unwrap_or_default();
    if is_founded_on(&bytes, &filter.program()) {
        return Ok(());
    }
    let reason = "it does not fit the bundle: its processes do not have the seccomp filter that is made from linux.seccomp; restore with the profile and the version of the runtime that it was written with";
    Err(images.unusable(reason.to_owned()))
}

fn is_founded_on(image: &[u8], program: &[u8]) -> bool {
    let Some(image) = entry(image).and_then(|entry| Image::decode(entry).ok()) else {
        return false;
    };
    let mut first = image.filters.iter().filter(|link| link.before.is_none()).peekable();
    first.peek().is_some() && first.all(|link| link.program == program)
}

/// The one message of an image: after the magic numbers and its length.
fn entry(image: &[u8]) -> Option<&[u8]> {
    let (header, rest) = image.split_first_chunk::<12>()?;
    let number =
        |at: usize| header[at..].first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    if [number(0)?, number(4)?] != MAGIC {
        return None;
    }
    rest.get(..usize::try_from(number(8)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(links: &[(&[u8], Option<u32>)]) -> Vec<u8> {
        let link = |(program, before): &(&[u8], Option<u32>)| Link {
            program: program.to_vec(),
            before: *before,
        };
        let entry = Image { filters: links.iter().map(link).collect() }.encode();
        let length = u32::try_from(entry.len()).unwrap();
        let header = MAGIC.into_iter().chain([length]).flat_map(u32::to_le_bytes);
        header.chain(entry).collect()
    }

    #[test]
    fn every_chain_begins_with_the_bundles_filter() {
        let (ours, other) = (&b"bundle's"[..], &b"allow all"[..]);
        for (links, fits) in [
            (&[(ours, None)][..], true),
            (&[(ours, None), (other, Some(0))], true),
            (&[(other, None)], false),
            (&[(ours, None), (other, None)], false),
            (&[(other, None), (ours, Some(0))], false),
            (&[(ours, Some(0))], false),
            (&[], false),
        ] {
            assert_eq!(is_founded_on(&image(links), ours), fits, "{links:?}");
        }
        // As CRIU writes it: the program, and its flags.
        let written = b"\x19CVTI0Ad\x07\0\0\0\x0a\x05\x0a\x01x\x18\x01";
        assert!(is_founded_on(written, b"x"));
        let whole = image(&[(ours, None)]);
        for damaged in [&whole[..11], &whole[..whole.len() - 1], &whole[4..], b""] {
            assert!(!is_founded_on(damaged, ours));
        }
    }
}
