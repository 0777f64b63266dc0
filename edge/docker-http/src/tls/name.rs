//! The common name in a certificate's subject: X.501 names in DER, as X.680 and X.690 write them.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const T61: u8 = 0x14;
const IA5: u8 = 0x16;
const BMP: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// RFC 5280's limit is 64; nobody's name is longer than this.
const LONGEST: usize = 256;

/// The last common name, as Go reads it.
pub(super) fn common(certificate: &CertificateDer<'_>) -> Option<String> {
    of_subject(EndEntityCert::try_from(certificate).ok()?.subject())
}

fn of_subject(subject: &[u8]) -> Option<String> {
    let mut found = None;
    let mut sets = Elements(subject);
    while let Some((SET, set)) = sets.next() {
        let mut attributes = Elements(set);
        while let Some((SEQUENCE, attribute)) = attributes.next() {
            let mut parts = Elements(attribute);
            if parts.next() == Some((OBJECT_IDENTIFIER, COMMON_NAME)) {
                found = parts.next().and_then(|(tag, value)| text(tag, value)).or(found);
            }
        }
    }
    found
}

fn text(tag: u8, value: &[u8]) -> Option<String> {
    let text = match tag {
        UTF8 | PRINTABLE | IA5 | T61 => String::from_utf8(value.to_owned()).ok()?,
        BMP => {
            let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()?
        }
        _ => return None,
    };
    (text.len() <= LONGEST && !text.contains(char::is_control)).then_some(text)
}

/// Tags and values one after another; ends where they make no sense.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => (usize::from(*rest.first()?), &rest[1..]),
            0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
            _ => return None,
        };
        let value = rest.get(..length)?;
        self.0 = &rest[length..];
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(value.len()).unwrap()], value].concat()
    }

    fn attribute(object: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        let parts = [element(OBJECT_IDENTIFIER, object), element(tag, value)].concat();
        element(SET, &element(SEQUENCE, &parts))
    }

    #[test]
    fn names_are_found_among_others() {
        let country = attribute(&[0x55, 0x04, 0x06], PRINTABLE, b"DE");
        let name = attribute(COMMON_NAME, UTF8, "Zoë".as_bytes());
        assert_eq!(of_subject(&[country.clone(), name.clone()].concat()).unwrap(), "Zoë");
        let wide = attribute(COMMON_NAME, BMP, &[0, b'a', 0, b'b']);
        assert_eq!(of_subject(&[name, wide].concat()).unwrap(), "ab");
        assert_eq!(of_subject(&country), None);
    }

    #[test]
    fn nonsense_has_no_name() {
        for bytes in [
            &[][..],
            &[SET],
            &[SET, 5, 1],
            &[SET, 0x82, 0xff],
            &[SET, 0x84, 0xff, 0xff, 0xff, 0xff],
            &attribute(COMMON_NAME, 0x04, b"x"),
            &attribute(COMMON_NAME, UTF8, &[0xff]),
            &attribute(COMMON_NAME, UTF8, b"a\nb"),
        ] {
            assert_eq!(of_subject(bytes), None, "{bytes:?}");
        }
    }
}
