//! Which names count for which.

use super::*;

const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn check(identity: &SignedIdentity, asked: &str, cases: &[(&str, bool)]) {
    let asked = asked.replace("HEX", HEX).parse().unwrap();
    for (signed, expected) in cases {
        let signed = signed.replace("HEX", HEX);
        assert_eq!(identity.matches(&asked, &signed), *expected, "{identity:?} {asked} {signed}");
    }
}

#[test]
fn exact_names() {
    let cases = [
        ("r.example/a:1", true),
        ("r.example/a:2", false),
        ("r.example/a", false),
        ("r.example/b:1", false),
        ("r.example/a@sha256:HEX", false),
        ("not a name", false),
        ("", false),
    ];
    check(&SignedIdentity::Exact, "r.example/a:1", &cases);
    check(&SignedIdentity::RepositoryDigestOrExact, "r.example/a:1", &cases);
    let latest = [("a:latest", true), ("a", false), ("docker.io/library/a:latest", true)];
    check(&SignedIdentity::Exact, "a", &latest);
}

#[test]
fn by_digest_any_tag_of_the_repository() {
    let asked = "r.example/a@sha256:HEX";
    let cases =
        [("r.example/a:1", true), ("r.example/a", false), ("r.example/b:1", false), (asked, true)];
    check(&SignedIdentity::RepositoryDigestOrExact, asked, &cases);
    check(&SignedIdentity::Exact, asked, &[("r.example/a:1", false), (asked, true)]);
}

#[test]
fn repositories_and_fixed_names() {
    let cases = [("r.example/a", true), ("r.example/a:9", true), ("r.example/a/b:1", false)];
    check(&SignedIdentity::Repository, "r.example/a:1", &cases);
    let fixed = SignedIdentity::ExactReference("s.example/x:7".parse().unwrap());
    check(&fixed, "r.example/a:1", &[("s.example/x:7", true), ("r.example/a:1", false)]);
    let fixed = SignedIdentity::ExactRepository("s.example/x".to_owned());
    check(&fixed, "r.example/a:1", &[("s.example/x", true), ("r.example/a:1", false)]);
}

#[test]
fn another_beginning() {
    let remap = SignedIdentity::Remap {
        prefix: "mirror.example/hub".to_owned(),
        signed_prefix: "docker.io".to_owned(),
    };
    let cases = [("docker.io/library/a:1", true), ("mirror.example/hub/library/a:1", false)];
    check(&remap, "mirror.example/hub/library/a:1", &cases);
    // Another name that begins with the same letters stays as it is.
    check(&remap, "mirror.example/hubble/a:1", &[("mirror.example/hubble/a:1", true)]);
    check(&remap, "mirror.example/hub/u/a@sha256:HEX", &[("docker.io/u/a:5", true)]);
}
