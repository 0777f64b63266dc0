//! Image references and digests as users, images and registries write them: they become paths, addresses and keys.

use gantry_types::{Digest, ImageReference};

/// The bytes are the text, when they are one.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<ImageReference>() {
        check(&reference);
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(
            matches!(digest.hex().len(), 64 | 128) && digest.hex().bytes().all(hexadecimal),
            "it names a file"
        );
    }
}

fn check(reference: &ImageReference) {
    // What is shown leads back to the same place, short or long.
    for written in [reference.to_string(), reference.familiar()] {
        assert_eq!(written.parse().as_ref(), Ok(reference), "{written}");
    }
    let as_json = serde_json::to_string(reference).expect("a text");
    assert_eq!(&serde_json::from_str::<ImageReference>(&as_json).expect("our own text"), reference);
    assert!(reference.tag().is_some() || reference.digest().is_some(), "it always means one image");
    // The path becomes one of a URL.
    let path = reference.path();
    assert!(!path.is_empty() && path.len() <= 255);
    for part in path.split('/') {
        assert!(!part.is_empty() && !part.starts_with('.') && !part.ends_with('.'), "{path}");
        assert!(
            part.bytes().all(|byte| byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || b"._-".contains(&byte)),
            "{path}"
        );
    }
    // The domain becomes a host.
    let domain = reference.domain();
    assert!(!domain.is_empty() && !domain.contains(['/', '@', '?', '#', ' ', '\\']), "{domain}");
    if let Some(tag) = reference.tag() {
        assert!(
            !tag.is_empty() && tag.len() <= 128 && !tag.contains(['/', ':', '@', '?', '#']),
            "{tag}"
        );
        let again = reference.with_tag(tag).expect("its own tag");
        assert_eq!(
            (again.tag(), again.digest(), again.repository()),
            (Some(tag), None, reference.repository())
        );
    }
}
