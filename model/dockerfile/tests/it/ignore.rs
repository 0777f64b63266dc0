//! The patterns of `.dockerignore`.

use gantry_dockerfile::IgnoreFile;

/// Patterns, a path, and whether it is left out.
const PATHS: &[(&str, &str, bool)] = &[
    ("", "a", false),
    ("# a\n", "a", false),
    ("#a", "#a", false),
    ("a", "a", true),
    ("a", "b", false),
    ("a", "a/b", true),
    ("a", "b/a", false),
    ("/a", "a", true),
    ("./a", "a", true),
    ("a/", "a", true),
    ("a/", "a/b/c", true),
    (" a ", "a", true),
    ("a//b", "a/b", true),
    ("a/../b", "b", true),
    ("a/../b", "a", false),
    ("*", "a", true),
    ("*", "a/b", true),
    ("*.md", "README.md", true),
    ("*.md", "docs/README.md", false),
    ("*/*.md", "docs/README.md", true),
    ("**/*.md", "README.md", true),
    ("**/*.md", "docs/README.md", true),
    ("**/*.md", "a/b/c.md", true),
    ("**/*.md", "a/b/c.mdx", false),
    ("**", "a", true),
    ("**/a", "a", true),
    ("**/a", "b/c/a", true),
    ("**/a", "b/a/c", true),
    ("a/**", "a/b", true),
    ("a/**", "a", true),
    ("a/**/b", "a/b", true),
    ("a/**/b", "a/x/y/b", true),
    ("a/**/b", "a/x/y/c", false),
    ("a?c", "abc", true),
    ("a?c", "ac", false),
    ("a?c", "a/c", false),
    ("a*c", "a/c", false),
    ("a*c", "abbc", true),
    ("a*c", "ac", true),
    ("temp?", "temp1", true),
    ("temp?", "temp", false),
    ("[ab].txt", "a.txt", true),
    ("[ab].txt", "c.txt", false),
    ("[^ab].txt", "c.txt", true),
    ("[^ab].txt", "a.txt", false),
    ("[a-c].txt", "b.txt", true),
    ("[a-c].txt", "d.txt", false),
    ("[\\]]", "]", true),
    ("[]a]", "]", true),
    ("\\*", "*", true),
    ("\\*", "a", false),
    ("*.md\n!README.md", "README.md", false),
    ("*.md\n!README.md", "other.md", true),
    ("!README.md\n*.md", "README.md", true),
    ("*\n!src", "src/lib.rs", false),
    ("*\n!src", "target/x", true),
    ("*\n!src/lib.rs", "src/lib.rs", false),
    ("*\n!src/lib.rs", "src/main.rs", true),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
    ("*.md\n!README*.md\nREADME-secret.md", "README-other.md", false),
    ("a\n!a/b\na/b/c", "a/b/c", true),
    ("a\n!a/b\na/b/c", "a/b/d", false),
    ("! a", "a", false),
    ("a\n! a", "a", false),
    (".", "a", false),
    ("\u{feff}a", "a", true),
    (".git", ".gitignore", false),
    (".git", ".git/config", true),
    ("ä*", "äb", true),
    ("a\r\nb\r\n", "a", true),
];

#[test]
fn patterns_leave_paths_out() {
    for (patterns, path, is_out) in PATHS {
        let file = IgnoreFile::parse(patterns).unwrap();
        assert_eq!(file.excludes(path), *is_out, "{patterns:?} {path:?}");
    }
}

#[test]
fn a_directory_may_hide_what_is_taken_back() {
    let file = IgnoreFile::parse("*\n!a/b/*.txt\n!**/keep").unwrap();
    for (directory, may) in [("a", true), ("a/b", true), ("c", true)] {
        assert_eq!(file.may_take_back_below(directory), may, "{directory}");
    }
    let file = IgnoreFile::parse("*\n!a/b/*.txt").unwrap();
    for (directory, may) in [("a", true), ("a/b", true), ("a/b/c", false), ("c", false)] {
        assert_eq!(file.may_take_back_below(directory), may, "{directory}");
    }
    assert!(!IgnoreFile::parse("*").unwrap().may_take_back_below("a"));
}

#[test]
fn what_is_no_pattern_is_said() {
    for pattern in ["[", "a[", "[a", "[a-", "!", "a\\"] {
        let error = IgnoreFile::parse(pattern).unwrap_err().to_string();
        assert_eq!(error, format!("illegal exclusion pattern: {pattern:?}"));
    }
    let many = "a\n".repeat(10_001);
    assert!(IgnoreFile::parse(&many).unwrap_err().to_string().contains("10000"));
}
