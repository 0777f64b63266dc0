//! Variables that nobody defined.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use gantry_types::ImageReference;

use super::{Rule, Surroundings, Warning};
use crate::error::nearest;
use crate::{Dockerfile, Expander, Instruction, Stage, Step, Variables};

/// What every `FROM` may name.
const PLATFORMS: [&str; 8] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
];

/// Arguments that need no `ARG`.
const PREDEFINED: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Names that have values, whatever these are.
struct Defined<'d>(&'d BTreeSet<String>);

impl Variables for Defined<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.contains(name).then_some(Cow::Borrowed("x"))
    }
}

pub(super) fn check(
    dockerfile: &Dockerfile,
    surroundings: Surroundings<'_>,
    warnings: &mut Vec<Warning>,
) {
    let global = globals(dockerfile);
    // What each stage leaves to those that begin from it; `None` when nobody knows.
    let mut environments: Vec<Option<BTreeSet<String>>> = Vec::new();
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        from(dockerfile, stage, &global, warnings);
        let begun = match dockerfile.stage_before(number, &stage.from.base) {
            Some(base) => environments[base].clone(),
            None if stage.from.base.eq_ignore_ascii_case("scratch") => Some(BTreeSet::new()),
            None => (surroundings.environment_of)(&stage.from.base)
                .map(|names| names.into_iter().collect()),
        };
        environments.push(begun.map(|names| of_stage(dockerfile, stage, names, warnings)));
    }
}

/// `ARG`s above all stages with their default values, each of which may name those before it.
fn globals(dockerfile: &Dockerfile) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for step in &dockerfile.arguments {
        let Instruction::Arg(arguments) = &step.instruction else { continue };
        for argument in arguments {
            let default = argument.default.as_deref().unwrap_or_default();
            let expanded = Expander::new(dockerfile.escape, &values).word(default);
            let value = expanded.map(|expanded| expanded.text).unwrap_or_default();
            values.insert(argument.name.clone(), value);
        }
    }
    values
}

fn from(
    dockerfile: &Dockerfile,
    stage: &Stage,
    global: &BTreeMap<String, String>,
    warnings: &mut Vec<Warning>,
) {
    let mut known = global.clone();
    for name in PLATFORMS.iter().chain(&PREDEFINED) {
        known.entry((*name).to_owned()).or_insert_with(|| "x".to_owned());
    }
    let expander = Expander::new(dockerfile.escape, &known);
    let mut warn = |rule, message| warnings.push(Warning { rule, message, span: stage.span });
    let texts = [Some(&stage.from.base), stage.from.platform.as_ref()];
    let mut is_defined = true;
    for expanded in texts.into_iter().flatten().filter_map(|text| expander.word(text).ok()) {
        for name in expanded.unset {
            is_defined = false;
            let near = nearest(&name, known.keys().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            warn(Rule::UndefinedArgInFrom, format!("FROM argument '{name}' is not declared{near}"));
        }
    }
    let base = &stage.from.base;
    let Ok(image) = expander.word(base) else { return };
    let is_name = image.text == "scratch" || image.text.parse::<ImageReference>().is_ok();
    if base.contains('$') && is_defined && !is_name {
        let message =
            format!("Default value for ARG {base} results in empty or invalid base image name");
        warn(Rule::InvalidDefaultArgInFrom, message);
    }
}

/// Warns of the stage's variables, and gives what it leaves to others.
fn of_stage(
    dockerfile: &Dockerfile,
    stage: &Stage,
    mut environment: BTreeSet<String>,
    warnings: &mut Vec<Warning>,
) -> BTreeSet<String> {
    let mut defined = environment.clone();
    defined.extend(PREDEFINED.iter().map(|name| (*name).to_owned()));
    // The engine sets it where an image does not.
    defined.insert("PATH".to_owned());
    for step in &stage.steps {
        let mut unset = BTreeSet::new();
        for text in texts(step) {
            let expander = Defined(&defined);
            let expanded = Expander::new(dockerfile.escape, &expander).word(text);
            unset.extend(expanded.map(|expanded| expanded.unset).unwrap_or_default());
        }
        for name in unset {
            let near = nearest(&name, defined.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean ${near}?)"));
            let message = format!("Usage of undefined variable '${name}'{near}");
            warnings.push(Warning { rule: Rule::UndefinedVar, message, span: step.span });
        }
        match &step.instruction {
            Instruction::Arg(arguments) => {
                defined.extend(arguments.iter().map(|argument| argument.name.clone()));
            }
            Instruction::Env(pairs) => {
                defined.extend(pairs.iter().map(|pair| pair.key.clone()));
                environment.extend(pairs.iter().map(|pair| pair.key.clone()));
            }
            _ => {}
        }
    }
    environment
}

/// The texts of an instruction in which variables are expanded. A shell expands its own.
fn texts(step: &Step) -> Vec<&str> {
    match &step.instruction {
        Instruction::Add(transfer) | Instruction::Copy(transfer) => {
            let flags = [&transfer.owner, &transfer.mode, &transfer.checksum];
            let words = transfer.sources.iter().chain([&transfer.destination]);
            words
                .chain(&transfer.exclude)
                .chain(flags.into_iter().flatten())
                .map(String::as_str)
                .collect()
        }
        Instruction::Arg(arguments) => {
            arguments.iter().filter_map(|argument| argument.default.as_deref()).collect()
        }
        Instruction::Env(pairs) | Instruction::Label(pairs) => {
            pairs.iter().flat_map(|pair| [pair.key.as_str(), pair.value.as_str()]).collect()
        }
        Instruction::Expose(words) | Instruction::Volume(words) => {
            words.iter().map(String::as_str).collect()
        }
        Instruction::StopSignal(word) | Instruction::User(word) | Instruction::Workdir(word) => {
            vec![word.as_str()]
        }
        Instruction::Run(run) => run.mounts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}
