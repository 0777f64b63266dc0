//! Scopes of the transport `docker`: which ones an image falls under, the most specific first.

use gantry_types::ImageReference;

/// A scope must be one under which an image can fall; a typing error would be a hole.
pub(super) fn check(scope: &str) -> Result<(), String> {
    let wildcard = scope.strip_prefix("*.");
    let valid = match wildcard {
        None if scope.is_empty() => true,
        Some(domain) => !domain.contains(['/', ':']) && is_beginning(&format!("x.{domain}")),
        None => is_beginning(scope) || is_full_name(scope),
    };
    if valid {
        return Ok(());
    }
    Err(format!(
        "no image can fall under the scope {scope:?}: it is a registry (host[:port] or *.domain), or begins with one, as \
         in docker.io/library/busybox"
    ))
}

/// Whether repositories can be below it.
fn is_beginning(text: &str) -> bool {
    let name = format!("{text}/x/y");
    name.parse::<ImageReference>().is_ok_and(|parsed| parsed.repository() == name)
}

/// Whether it is one name with a tag or digest, written out.
fn is_full_name(text: &str) -> bool {
    text.parse::<ImageReference>().is_ok_and(|parsed| parsed.to_string() == text)
}

/// The name under which the image is asked for: with a digest, the tag says nothing.
pub(super) fn one_name(image: &ImageReference) -> ImageReference {
    let by_digest = image.digest().map(|digest| format!("{}@{digest}", image.repository()));
    by_digest.and_then(|text| text.parse().ok()).unwrap_or_else(|| image.clone())
}

/// The scopes that apply: the name itself, its repository, what lies above that, the registry, the domains above its
/// host, and in the end the whole transport.
pub(super) fn candidates(asked: &ImageReference) -> Vec<String> {
    let mut candidates = vec![asked.to_string()];
    let repository = asked.repository();
    let mut name = repository.as_str();
    loop {
        candidates.push(name.to_owned());
        match name.rsplit_once('/') {
            Some((above, _)) => name = above,
            None => break,
        }
    }
    let mut host = name.split(':').next().unwrap_or(name);
    while let Some((_, domain)) = host.split_once('.') {
        candidates.push(format!("*.{domain}"));
        host = domain;
    }
    candidates.push(String::new());
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_name_to_everything() {
        let asked = one_name(&"r.b.example:5000/a/b:1".parse().unwrap());
        assert_eq!(
            candidates(&asked),
            [
                "r.b.example:5000/a/b:1",
                "r.b.example:5000/a/b",
                "r.b.example:5000/a",
                "r.b.example:5000",
                "*.b.example",
                "*.example",
                ""
            ]
        );
        let hub = candidates(&one_name(&"busybox".parse().unwrap()));
        assert_eq!(
            hub[..3],
            ["docker.io/library/busybox:latest", "docker.io/library/busybox", "docker.io/library"]
        );
        let hex = "a".repeat(64);
        let both = one_name(&format!("busybox:1@sha256:{hex}").parse().unwrap());
        assert_eq!(both.to_string(), format!("docker.io/library/busybox@sha256:{hex}"));
    }

    #[test]
    fn what_can_be_a_scope() {
        for good in [
            "",
            "docker.io",
            "docker.io/library",
            "docker.io/library/busybox",
            "docker.io/library/busybox:1",
            "localhost",
            "localhost:5000",
            "localhost:5000/a",
            "registry.example:5000/a/b:2",
            "*.example.com",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["busybox", "library/busybox", "*", "*.", "*.a/b", "docker.io/", "a b"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
