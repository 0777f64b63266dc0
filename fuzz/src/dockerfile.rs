//! Dockerfiles and ignore files as strangers write them: they are read, checked and expanded.

use std::collections::BTreeMap;

use gantry_dockerfile::lint::{self, Surroundings};
use gantry_dockerfile::{Dockerfile, Expander, IgnoreFile, Instruction, Problem, Source};

/// The bytes are a Dockerfile, and its lines also patterns and words.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let variables = BTreeMap::from([("A".to_owned(), "a/b*c".to_owned())]);
    for line in text.lines() {
        if let Ok(file) = IgnoreFile::parse(line) {
            for path in ["a", "a/b", "src/lib.rs", line] {
                file.may_take_back_below(path);
                file.excludes(path);
            }
        }
        if let Ok(expanded) = Expander::new('\\', &variables).word(line) {
            assert!(expanded.text.len() <= 1 << 20, "no value grows without end");
        }
    }
    let Ok(source) = Source::parse(text) else { return };
    let lines = text.split('\n').count();
    for pair in source.statements.windows(2) {
        assert!(pair[0].span.last < pair[1].span.first, "statements follow one another");
    }
    for statement in &source.statements {
        let span = statement.span;
        assert!(1 <= span.first && span.first <= span.last && span.last <= lines, "{span}");
    }
    let Ok(dockerfile) = Dockerfile::read(&source) else { return };
    let ignore = IgnoreFile::default();
    let surroundings =
        Surroundings { ignore: Some(&ignore), environment_of: &|_| Some(Vec::new()) };
    for warning in lint::check(&source, &dockerfile, &source.directives.check, surroundings) {
        assert!(warning.span.last <= lines && !warning.message.is_empty());
    }
    for step in dockerfile.stages.iter().flat_map(|stage| &stage.steps) {
        match &step.instruction {
            Instruction::Run(run) => {
                drop(run.mounts(|text| Ok::<_, Problem>(text.to_owned())));
            }
            Instruction::OnBuild(trigger) => {
                Source::parse_trigger(trigger, dockerfile.escape)
                    .expect("what was read is read again");
            }
            _ => {}
        }
    }
}
