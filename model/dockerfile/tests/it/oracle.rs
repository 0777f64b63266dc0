//! Another parser of Dockerfiles, the crate `parse-dockerfile`, reads the same cases: both take them, and find the same in them. Where
//! it differs, what Docker's reference says decides, and the case stands in [`DIFFERENT`].

use gantry_dockerfile::{Command, HealthCheck, Instruction};
use parse_dockerfile as other;

use crate::corpus::{INSTRUCTIONS, STAGES};
use crate::errors::REFUSALS;
use crate::{instruction, read};

/// What the other parser does not take, or takes otherwise, and why ours does.
const DIFFERENT: &[(&str, &str)] = &[
    ("ENTRYPOINT []", "it takes away what the base image has, as an empty CMD does"),
    ("RUN cat <<E\na\nE", "a file may stand anywhere in the line of RUN"),
    ("RUN <<A <<B\na\nA\nb\nB", "there may be several files"),
    ("RUN 3<<E cat\na\nE", "a file may be for another descriptor"),
    ("RUN cat <<E > /a\nb\nE", "a file may stand anywhere in the line of RUN"),
];

fn blanks(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn of_command(kind: &str, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => [vec![kind.to_owned(), "exec".to_owned()], words.clone()].concat(),
        Command::Shell(line) => vec![kind.to_owned(), "shell".to_owned(), blanks(line)],
    }
}

/// What ours finds, as words.
fn ours(instruction: &Instruction) -> Vec<String> {
    let words = |kind: &str, words: Vec<String>| [vec![kind.to_owned()], words].concat();
    match instruction {
        Instruction::Add(transfer) | Instruction::Copy(transfer) => {
            let kind = if matches!(instruction, Instruction::Add(_)) { "ADD" } else { "COPY" };
            let files = transfer.files.iter().map(|_| "<<".to_owned());
            let mut sources: Vec<String> = transfer.sources.iter().cloned().chain(files).collect();
            sources.sort();
            words(kind, [sources, vec![transfer.destination.clone()]].concat())
        }
        Instruction::Arg(_) => words("ARG", Vec::new()),
        Instruction::Cmd(command) => of_command("CMD", command),
        Instruction::Entrypoint(command) => of_command("ENTRYPOINT", command),
        Instruction::Env(_) => words("ENV", Vec::new()),
        Instruction::Expose(ports) => words("EXPOSE", ports.clone()),
        Instruction::From(from) => words(
            "FROM",
            [Some(from.base.clone()), from.name.clone()].into_iter().flatten().collect(),
        ),
        Instruction::HealthCheck(HealthCheck::None) => {
            words("HEALTHCHECK", vec!["NONE".to_owned()])
        }
        Instruction::HealthCheck(HealthCheck::Check(check)) => {
            of_command("HEALTHCHECK", &check.command)
        }
        Instruction::Label(_) => words("LABEL", Vec::new()),
        Instruction::Maintainer(text) => words("MAINTAINER", vec![text.clone()]),
        Instruction::OnBuild(text) => {
            words("ONBUILD", vec![text.split(' ').next().unwrap_or_default().to_uppercase()])
        }
        Instruction::Run(run) if run.heredocs.is_empty() => of_command("RUN", &run.command),
        Instruction::Run(run) => words("RUN", vec![format!("{} files", run.heredocs.len())]),
        Instruction::Shell(all) => words("SHELL", all.clone()),
        Instruction::StopSignal(text) => words("STOPSIGNAL", vec![text.clone()]),
        Instruction::User(text) => words("USER", vec![text.clone()]),
        Instruction::Volume(paths) => words("VOLUME", paths.clone()),
        Instruction::Workdir(text) => words("WORKDIR", vec![text.clone()]),
    }
}

fn texts<'a, 'b: 'a>(all: impl IntoIterator<Item = &'a other::UnescapedString<'b>>) -> Vec<String> {
    all.into_iter().map(|text| text.value.to_string()).collect()
}

fn of_other_command(kind: &str, command: &other::Command<'_>) -> Vec<String> {
    match command {
        other::Command::Exec(words) => {
            [vec![kind.to_owned(), "exec".to_owned()], texts(&words.value)].concat()
        }
        other::Command::Shell(line) => {
            // It leaves continuations and the comments in them as they are.
            let lines = line.value.lines().filter(|line| !line.trim_start().starts_with('#'));
            let text: String = lines.map(|line| line.strip_suffix('\\').unwrap_or(line)).collect();
            vec![kind.to_owned(), "shell".to_owned(), blanks(&text)]
        }
        _ => panic!("another form of a command"),
    }
}

fn sources(
    kind: &str,
    all: &[other::Source<'_>],
    dest: &other::UnescapedString<'_>,
) -> Vec<String> {
    let mut found: Vec<String> = all
        .iter()
        .map(|source| match source {
            other::Source::Path(path) => path.value.to_string(),
            _ => "<<".to_owned(),
        })
        .collect();
    found.sort();
    [vec![kind.to_owned()], found, vec![dest.value.to_string()]].concat()
}

/// What the other one finds.
fn theirs(instruction: &other::Instruction<'_>) -> Vec<String> {
    use other::Instruction as I;
    let words = |kind: &str, words: Vec<String>| [vec![kind.to_owned()], words].concat();
    match instruction {
        I::Add(add) => sources("ADD", &add.src, &add.dest),
        I::Copy(copy) => sources("COPY", &copy.src, &copy.dest),
        I::Arg(_) => words("ARG", Vec::new()),
        I::Cmd(cmd) => of_other_command("CMD", &cmd.arguments),
        I::Entrypoint(entrypoint) => of_other_command("ENTRYPOINT", &entrypoint.arguments),
        I::Env(_) => words("ENV", Vec::new()),
        I::Expose(expose) => words("EXPOSE", texts(&expose.arguments)),
        I::From(from) => {
            let name = from.as_.iter().map(|(_, name)| name.value.to_lowercase());
            words("FROM", [from.image.value.to_string()].into_iter().chain(name).collect())
        }
        I::Healthcheck(check) => match &check.arguments {
            other::HealthcheckArguments::Cmd { arguments, .. } => {
                of_other_command("HEALTHCHECK", arguments)
            }
            _ => words("HEALTHCHECK", vec!["NONE".to_owned()]),
        },
        I::Label(_) => words("LABEL", Vec::new()),
        I::Maintainer(maintainer) => words("MAINTAINER", texts([&maintainer.name])),
        I::Onbuild(onbuild) => {
            words("ONBUILD", theirs(&onbuild.instruction).into_iter().take(1).collect())
        }
        I::Run(run) if run.here_docs.is_empty() => of_other_command("RUN", &run.arguments),
        I::Run(run) => words("RUN", vec![format!("{} files", run.here_docs.len())]),
        I::Shell(shell) => words("SHELL", texts(&shell.arguments)),
        I::Stopsignal(signal) => words("STOPSIGNAL", texts([&signal.arguments])),
        I::User(user) => words("USER", texts([&user.arguments])),
        I::Volume(volume) => words(
            "VOLUME",
            match &volume.arguments {
                other::JsonOrStringArray::Json(all) => texts(&all.value),
                other::JsonOrStringArray::String(all) => texts(all),
            },
        ),
        I::Workdir(workdir) => words("WORKDIR", texts([&workdir.arguments])),
        _ => panic!("an instruction that is new there"),
    }
}

#[test]
fn there_are_cases_enough() {
    let all = STAGES.len() + INSTRUCTIONS.len() + REFUSALS.len();
    assert!(all >= 400, "{all} cases");
    let distinct: std::collections::BTreeSet<&str> = STAGES
        .iter()
        .chain(INSTRUCTIONS)
        .copied()
        .chain(REFUSALS.iter().map(|(text, _)| *text))
        .collect();
    assert_eq!(distinct.len(), all, "each once");
}

#[test]
fn both_find_the_same() {
    let mut wrong = Vec::new();
    let stages = STAGES.iter().map(|text| ((*text).to_owned(), *text, 0));
    let others = INSTRUCTIONS.iter().map(|text| (format!("FROM scratch\n{text}"), *text, 1));
    for (whole, text, number) in stages.chain(others) {
        let found = if number == 0 {
            ours(&Instruction::From(read(&whole).stages[0].from.clone()))
        } else {
            ours(&instruction(text))
        };
        let agrees = match other::parse(&whole) {
            Err(error) => Err(format!("it refuses it: {error}")),
            Ok(parsed) => {
                let same = theirs(&parsed.instructions[number]);
                if same == found {
                    Ok(())
                } else {
                    Err(format!("it finds {same:?}, ours {found:?}"))
                }
            }
        };
        let is_different = DIFFERENT.iter().any(|(case, _)| *case == text);
        match agrees {
            Err(reason) if !is_different => wrong.push(format!("{text:?}: {reason}")),
            Ok(()) if is_different => wrong.push(format!("{text:?}: it does not differ any more")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
