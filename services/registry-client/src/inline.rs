//! Content that a descriptor holds itself (image-spec, `descriptor.md`: `data`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_oci::image::Descriptor;

use crate::manifest::digest_of;

/// What a descriptor holds itself, when that is what it describes. Anything else is as if it were not there: it has to be
/// fetched.
pub fn inline(descriptor: &Descriptor) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(descriptor.data.as_ref()?).ok()?;
    let is_right = bytes.len() as u64 == descriptor.size
        && digest_of(&bytes, descriptor.digest.algorithm()) == descriptor.digest;
    is_right.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use gantry_types::Algorithm;

    use super::*;

    #[test]
    fn only_what_is_described() {
        let digest = digest_of(b"{}", Algorithm::Sha256);
        let with = |data: Option<&str>, size| {
            let mut descriptor = Descriptor::new("application/json", digest.clone(), size);
            descriptor.data = data.map(str::to_owned);
            inline(&descriptor)
        };
        assert_eq!(with(Some("e30="), 2).as_deref(), Some(&b"{}"[..]));
        for (data, size) in [(None, 2), (Some("e30="), 3), (Some("W10="), 2), (Some("!"), 2)] {
            assert_eq!(with(data, size), None, "{data:?} {size}");
        }
    }
}
