//! The language by its cases: what is written, and what it means or why it means nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod corpus;
mod errors;
mod expansion;
mod frontend;
mod ignore;
mod lint;
mod names;
mod oracle;
mod remote;
mod syntax;

use gantry_dockerfile::{Dockerfile, Instruction, Source};

/// A Dockerfile that must be readable.
fn read(text: &str) -> Dockerfile {
    let source = Source::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    Dockerfile::read(&source).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// The only instruction after a `FROM scratch`.
fn instruction(text: &str) -> Instruction {
    let mut dockerfile = read(&format!("FROM scratch\n{text}"));
    assert_eq!(dockerfile.stages[0].steps.len(), 1, "{text:?}");
    dockerfile.stages[0].steps.remove(0).instruction
}

/// Why a Dockerfile cannot be read.
fn refusal(text: &str) -> String {
    let read = Source::parse(text).and_then(|source| Dockerfile::read(&source));
    read.err().map_or_else(|| panic!("{text:?} is taken"), |error| error.to_string())
}
