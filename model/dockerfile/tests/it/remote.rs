//! Addresses of files and repositories.

use gantry_dockerfile::Remote;
use std::fmt::Write;

/// An address, and what it means.
const ADDRESSES: &[(&str, &str)] = &[
    ("", "path"),
    (".", "path"),
    ("src/a", "path"),
    ("/abs", "path"),
    ("a@b", "path"),
    ("@scope/x:y", "path"),
    ("ftp://host/a", "path"),
    ("https://host/a.tar", "file https://host/a.tar"),
    ("http://host", "file http://host"),
    ("https://host/a?b=c#d", "file https://host/a?b=c#d"),
    ("https://host/a.gitx", "file https://host/a.gitx"),
    ("https://host/a.git", "git https://host/a.git"),
    ("https://host/a.git/", "git https://host/a.git/"),
    ("https://host/a.git#main", "git https://host/a.git ref=main"),
    ("https://host/a.git#main:sub/dir", "git https://host/a.git ref=main dir=sub/dir"),
    ("https://host/a.git#:sub", "git https://host/a.git dir=sub"),
    ("https://host/a.git#:/sub/", "git https://host/a.git dir=sub"),
    ("https://host/a.git#refs/pull/1/head", "git https://host/a.git ref=refs/pull/1/head"),
    ("https://host/a.git?branch=x", "git https://host/a.git ref=refs/heads/x"),
    ("https://host/a.git?tag=v1&subdir=s", "git https://host/a.git ref=refs/tags/v1 dir=s"),
    ("https://host/a.git?ref=x&keep-git-dir=1", "git https://host/a.git ref=x keep"),
    ("https://host/a.git?submodules=false", "git https://host/a.git alone"),
    (
        "https://host/a.git?commit=0123456789abcdef",
        "git https://host/a.git ref=0123456789abcdef sum=0123456789abcdef",
    ),
    (
        "https://host/a.git?tag=v1&checksum=0123456",
        "git https://host/a.git ref=refs/tags/v1 sum=0123456",
    ),
    ("git://host/a", "git git://host/a"),
    ("git://host/a#v1", "git git://host/a ref=v1"),
    ("ssh://git@host:22/a/b", "git ssh://git@host:22/a/b"),
    ("git@host:a/b.git#dev:x", "git git@host:a/b.git ref=dev dir=x"),
    ("me@host:repo", "git me@host:repo"),
    ("https://host/a.git#../x", "error"),
    ("https://host/a.git#-upload-pack=x", "error"),
    ("https://host/a.git#main:../..", "error"),
    ("https://host/a.git#main:.git/hooks", "error"),
    ("https://host/a.git#a b", "error"),
    ("https://host/a.git#a\nb", "error"),
    ("https://host/a.git?what=x", "error"),
    ("https://host/a.git?ref=a#b", "error"),
    ("https://host/a.git?checksum=xyz", "error"),
    ("https://host/a.git?keep-git-dir=maybe", "error"),
    ("ssh://-oProxyCommand=x/a", "error"),
    ("git:///a", "error"),
];

#[test]
fn addresses_mean_files_and_repositories() {
    for (text, expected) in ADDRESSES {
        let found = match Remote::parse(text) {
            Ok(None) => "path".to_owned(),
            Ok(Some(Remote::File(url))) => format!("file {url}"),
            Ok(Some(Remote::Repository(repository))) => {
                let mut found = format!("git {}", repository.url);
                for (name, value) in [
                    ("ref", repository.reference),
                    ("dir", repository.directory),
                    ("sum", repository.checksum.unwrap_or_default()),
                ] {
                    if !value.is_empty() {
                        write!(found, " {name}={value}").unwrap_or(());
                    }
                }
                let keep = if repository.keeps_git_dir { " keep" } else { "" };
                let alone = if repository.has_submodules { "" } else { " alone" };
                found + keep + alone
            }
            Err(_) => "error".to_owned(),
        };
        assert_eq!(found, *expected, "{text:?}");
    }
}

#[test]
fn passwords_are_not_shown() {
    let error = Remote::parse("https://me:secret@host/a.git#..").unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
}
