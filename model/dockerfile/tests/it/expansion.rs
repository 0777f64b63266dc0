//! Quotes, escapes, variables and patterns.

use std::collections::BTreeMap;

use gantry_dockerfile::Expander;

fn variables() -> BTreeMap<String, String> {
    let pairs = [
        ("A", "apple"),
        ("EMPTY", ""),
        ("TWO", "one two"),
        ("PATHS", "/usr/bin:/bin"),
        ("N", "42"),
        ("FILE", "src/lib.tar.gz"),
        ("STAR", "a*b"),
        ("QUOTE", "it's"),
        ("Ü", "umlaut"),
        ("HAS_1", "digit"),
        ("1", "first"),
        ("10", "tenth"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn word(text: &str) -> String {
    let variables = variables();
    match Expander::new('\\', &variables).word(text) {
        Ok(expanded) => expanded.text,
        Err(error) => format!("error: {error}"),
    }
}

/// A word, and what becomes of it.
const WORDS: &[(&str, &str)] = &[
    ("", ""),
    ("plain", "plain"),
    ("two words", "two words"),
    ("  blanks  stay ", "  blanks  stay "),
    // quotes and escapes
    ("'single'", "single"),
    ("\"double\"", "double"),
    ("a'b'c\"d\"e", "abcde"),
    ("'$A'", "$A"),
    ("\"$A\"", "apple"),
    ("'a\\b'", "a\\b"),
    ("\"a\\b\"", "a\\b"),
    ("\"a\\\"b\"", "a\"b"),
    ("\"a\\$A\"", "a$A"),
    ("\"a\\\\b\"", "a\\b"),
    ("\"it's\"", "it's"),
    ("'say \"hi\"'", "say \"hi\""),
    ("\\a", "a"),
    ("\\\\", "\\"),
    ("\\$A", "$A"),
    ("\\'a\\'", "'a'"),
    ("a\\ b", "a b"),
    ("end\\", "end"),
    ("''", ""),
    ("\"\"", ""),
    // names
    ("$A", "apple"),
    ("$A$N", "apple42"),
    ("$A-$N", "apple-42"),
    ("$A.tar", "apple.tar"),
    ("${A}b", "appleb"),
    ("$Ab", ""),
    ("$HAS_1", "digit"),
    ("$Ü", "umlaut"),
    ("$1", "first"),
    ("$10", "tenth"),
    ("${10}", "tenth"),
    ("$UNSET", ""),
    ("${UNSET}", ""),
    ("a${UNSET}b", "ab"),
    ("$", "$"),
    ("a$", "a$"),
    ("$.a", "$.a"),
    ("$/a", "$/a"),
    ("$$", ""),
    ("$@", ""),
    ("100%", "100%"),
    ("$(pwd)", "$(pwd)"),
    ("$A ${A}", "apple apple"),
    // presence
    ("${UNSET:-x}", "x"),
    ("${UNSET-x}", "x"),
    ("${EMPTY:-x}", "x"),
    ("${EMPTY-x}", ""),
    ("${A:-x}", "apple"),
    ("${A-x}", "apple"),
    ("${A:+x}", "x"),
    ("${A+x}", "x"),
    ("${EMPTY:+x}", ""),
    ("${EMPTY+x}", "x"),
    ("${UNSET:+x}", ""),
    ("${UNSET+x}", ""),
    ("${A:?gone}", "apple"),
    ("${A?gone}", "apple"),
    ("${EMPTY?gone}", ""),
    ("${UNSET:-}", ""),
    ("${UNSET:-$A}", "apple"),
    ("${UNSET:-${A}}", "apple"),
    ("${UNSET:-${NOTHING:-deep}}", "deep"),
    ("${UNSET:-a b}", "a b"),
    ("${UNSET:-\"a}b\"}", "a}b"),
    ("${UNSET:-'$A'}", "$A"),
    ("${UNSET:-\\}}", "}"),
    ("x${UNSET:-y}z", "xyz"),
    ("\"${UNSET:-y}\"", "y"),
    ("${A:+${N:+both}}", "both"),
    // what matches at an end goes
    ("${FILE#*/}", "lib.tar.gz"),
    ("${FILE##*.}", "gz"),
    ("${FILE#*.}", "tar.gz"),
    ("${FILE%.*}", "src/lib.tar"),
    ("${FILE%%.*}", "src/lib"),
    ("${FILE%/*}", "src"),
    ("${FILE#src}", "/lib.tar.gz"),
    ("${FILE#nothing}", "src/lib.tar.gz"),
    ("${FILE%nothing}", "src/lib.tar.gz"),
    ("${FILE#???}", "/lib.tar.gz"),
    ("${FILE%???}", "src/lib.tar"),
    ("${FILE##*}", ""),
    ("${FILE#*}", "src/lib.tar.gz"),
    ("${FILE%%*}", ""),
    ("${STAR#a\\*}", "b"),
    ("${STAR%\\*b}", "a"),
    ("${UNSET#x}", ""),
    ("${EMPTY#x}", ""),
    ("${A#${N}}", "apple"),
    ("${A#a}", "pple"),
    ("${A%e}", "appl"),
    ("${A%%p*}", "a"),
    ("${A#*p}", "ple"),
    ("${A##*p}", "le"),
    // what matches is replaced
    ("${A/p/b}", "abple"),
    ("${A//p/b}", "abble"),
    ("${A//p/}", "ale"),
    ("${A/p*/b}", "ab"),
    ("${A/?/X}", "Xpple"),
    ("${A//?/X}", "XXXXX"),
    ("${A/z/b}", "apple"),
    ("${PATHS//\\//-}", "-usr-bin:-bin"),
    ("${PATHS//:/ }", "/usr/bin /bin"),
    ("${STAR/\\*/-}", "a-b"),
    ("${UNSET/a/b}", ""),
    ("${A/$N/b}", "apple"),
    ("${A/pp/$N}", "a42le"),
    ("${A//*/x}", "x"),
    ("${A//nothing/x}", "apple"),
];

#[test]
fn a_word_is_expanded() {
    for (text, expected) in WORDS {
        assert_eq!(word(text), *expected, "{text:?}");
    }
}

#[test]
fn what_cannot_be_expanded_says_why() {
    for (text, expected) in [
        ("'open", "unexpected end of statement while looking for matching single-quote"),
        ("\"open", "unexpected end of statement while looking for matching double-quote"),
        ("\"open\\\"", "unexpected end of statement while looking for matching double-quote"),
        ("${", "syntax error: missing '}'"),
        ("${A", "syntax error: missing '}'"),
        ("${A:", "syntax error: missing '}'"),
        ("${A:-", "syntax error: missing '}'"),
        ("${A:-x", "syntax error: missing '}'"),
        ("${A#x", "syntax error: missing '}'"),
        ("${A/x", "syntax error: missing '/' in ${}"),
        ("${A/x/y", "syntax error: missing '}'"),
        ("${}", "syntax error: bad substitution"),
        ("${{A}}", "syntax error: bad substitution"),
        ("${:A}", "syntax error: bad substitution"),
        ("${A^}", "unsupported modifier (^) in substitution"),
        ("${A:=x}", "unsupported modifier (:=) in substitution"),
        ("${A:1}", "unsupported modifier (:1) in substitution"),
        ("${A[0]}", "unsupported modifier ([) in substitution"),
        ("${A B}", "unsupported modifier ( ) in substitution"),
        ("${UNSET:?}", "UNSET: is not allowed to be unset"),
        ("${UNSET?}", "UNSET: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${UNSET:?say it}", "UNSET: say it"),
        ("${A#\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"),
        ("${A/a\\", "syntax error: missing '/' in ${}"),
    ] {
        assert_eq!(word(text), format!("error: {expected}"), "{text:?}");
    }
}

#[test]
fn blanks_part_words_and_quoted_ones_do_not() {
    let variables = variables();
    let words = |text| Expander::new('\\', &variables).words(text).unwrap();
    for (text, expected) in [
        ("", vec![]),
        ("a b", vec!["a", "b"]),
        ("  a   b  ", vec!["a", "b"]),
        ("a\tb", vec!["a", "b"]),
        ("'a b' c", vec!["a b", "c"]),
        ("a' 'b", vec!["a b"]),
        ("a\\ b", vec!["a b"]),
        ("$TWO", vec!["one", "two"]),
        ("\"$TWO\"", vec!["one two"]),
        ("x$TWO", vec!["xone", "two"]),
        ("$UNSET", vec![]),
        ("a $UNSET b", vec!["a", "b"]),
        ("$N/tcp $N/udp", vec!["42/tcp", "42/udp"]),
        ("${UNSET:-a b}", vec!["a", "b"]),
    ] {
        assert_eq!(words(text), expected, "{text:?}");
    }
}

#[test]
fn a_backtick_may_be_the_escape() {
    let variables = variables();
    let expander = Expander::new('`', &variables);
    for (text, expected) in
        [("`$A", "$A"), ("\\$A", "\\apple"), ("\"`\"\"", "\""), ("C:\\dir", "C:\\dir"), ("``", "`")]
    {
        assert_eq!(expander.word(text).unwrap().text, expected, "{text:?}");
    }
}

#[test]
fn variables_without_a_value_are_named_and_may_stay() {
    let variables = variables();
    let expanded = Expander::new('\\', &variables).word("$A $B ${C} ${D:-x}").unwrap();
    assert_eq!(expanded.unset.into_iter().collect::<Vec<_>>(), ["B", "C"], "a default is meant");
    let kept = Expander::new('\\', &variables).keeping_unset();
    for (text, expected) in [
        ("$B", "$B"),
        ("${B}", "${B}"),
        ("${B:-x}", "${B:-x}"),
        ("${B+x}", "${B+x}"),
        ("${B##x}", "${B##x}"),
        ("${B//x/y}", "${B//x/y}"),
        ("$A", "apple"),
    ] {
        assert_eq!(kept.word(text).unwrap().text, expected, "{text:?}");
    }
}

#[test]
fn quotes_mean_nothing_in_a_file() {
    let variables = variables();
    let content = |text| Expander::new('\\', &variables).content(text).unwrap().text;
    assert_eq!(content("say \"$A\" or '$A'\n"), "say \"apple\" or 'apple'\n");
    assert_eq!(content("it's \\$A\n"), "it's $A\n");
}

#[test]
fn growth_has_a_limit() {
    let mut variables = BTreeMap::from([("A".to_owned(), "x".repeat(1024))]);
    let doubled = "$A".repeat(2);
    let error = loop {
        match Expander::new('\\', &variables).word(&doubled) {
            Ok(expanded) => drop(variables.insert("A".to_owned(), expanded.text)),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("grows beyond 1048576 bytes"), "{error}");
    let deep = format!("{}x{}", "${U:-".repeat(10_000), "}".repeat(10_000));
    let error = Expander::new('\\', &variables).word(&deep).unwrap_err();
    assert!(error.to_string().contains("64 deep"), "{error}");
    variables.insert("A".to_owned(), "ab".repeat(50_000));
    let error = Expander::new('\\', &variables).word("${A//a*c/x}").unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}
