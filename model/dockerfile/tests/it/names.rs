//! Which images a Dockerfile names before anything is built.

use std::collections::BTreeMap;

use gantry_dockerfile::{Dockerfile, Source};

fn names(text: &str, given: &[(&str, &str)]) -> Vec<String> {
    let source = Source::parse(text).unwrap();
    let given: BTreeMap<String, String> =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Dockerfile::read(&source).unwrap().image_names(&given)
}

#[test]
fn arguments_have_their_values() {
    let text = "ARG HOST=quay.io\nARG BASE=$HOST/base\nFROM ${BASE}:1 AS made\nFROM $BASE\n";
    assert_eq!(names(text, &[]), ["quay.io/base:1", "quay.io/base"]);
    assert_eq!(names(text, &[("HOST", "own:5000")]), ["own:5000/base:1", "own:5000/base"]);
    assert_eq!(names(text, &[("BASE", "b"), ("HOST", "h")]), ["b:1", "b"]);
}

#[test]
fn what_is_taken_from_elsewhere_is_named_too() {
    let text = "FROM a\nCOPY --from=own/b:2 x y\nRUN --mount=from=t:1,target=/t true\nFROM c\n";
    assert_eq!(names(text, &[]), ["a", "own/b:2", "t:1", "c"]);
}

#[test]
fn an_argument_of_a_stage_is_none_of_a_from() {
    assert_eq!(names("FROM a\nARG B=b\nFROM ${B:-c}\n", &[("B", "d")]), ["a", "c"]);
}

#[test]
fn what_cannot_be_expanded_is_left_out() {
    assert_eq!(names("FROM a\nFROM ${B:?missing}\nFROM c\n", &[]), ["a", "c"]);
}
