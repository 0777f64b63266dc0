//! Commands on registries themselves.

pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod manifest;
pub(crate) mod search;

/// The registry that a user's word names: a host, or a URL as older guides have it. Docker Hub without a word.
fn domain(word: Option<&str>) -> &str {
    let word = word.unwrap_or_default();
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        for (word, expected) in [
            (None, "docker.io"),
            (Some("https://index.docker.io/v1/"), "docker.io"),
            (Some("http://localhost:5000/"), "localhost:5000"),
            (Some("r.example"), "r.example"),
        ] {
            assert_eq!(domain(word), expected, "{word:?}");
        }
    }
}
