//! What is said of instructions in stages.

use super::stages::description;
use super::{Rule, Warning};
use crate::{
    Argument, Command, Dockerfile, Expose, IgnoreFile, Instruction, KeyValue, Stage, Step, Transfer,
};

pub(super) fn check(
    dockerfile: &Dockerfile,
    ignore: Option<&IgnoreFile>,
    warnings: &mut Vec<Warning>,
) {
    for step in &dockerfile.arguments {
        of_step(step, ignore, warnings);
    }
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        for step in &stage.steps {
            of_step(step, ignore, warnings);
        }
        commands(stage, warnings);
        repeated(stage, warnings);
        workdirs(dockerfile, number, warnings);
    }
}

/// What can be said of an instruction alone.
fn of_step(step: &Step, ignore: Option<&IgnoreFile>, warnings: &mut Vec<Warning>) {
    let mut warn = |rule, message| warnings.push(Warning { rule, message, span: step.span });
    match &step.instruction {
        Instruction::Maintainer(_) => {
            let message = "Maintainer instruction is deprecated in favor of using label";
            warn(Rule::MaintainerDeprecated, message.to_owned());
        }
        Instruction::Arg(arguments) => {
            for Argument { name, .. } in arguments {
                if is_secret(name) {
                    warn(Rule::SecretsUsedInArgOrEnv, secret("ARG", name));
                }
                if let Some(message) = description(&step.comments, Some(name)) {
                    warn(Rule::InvalidDefinitionDescription, message);
                }
            }
        }
        Instruction::Env(pairs) => {
            for KeyValue { key, .. } in pairs.iter().filter(|pair| is_secret(&pair.key)) {
                warn(Rule::SecretsUsedInArgOrEnv, secret("ENV", key));
            }
            if let Some(message) = legacy("ENV", pairs) {
                warn(Rule::LegacyKeyValueFormat, message);
            }
        }
        Instruction::Label(pairs) => {
            if let Some(message) = legacy("LABEL", pairs) {
                warn(Rule::LegacyKeyValueFormat, message);
            }
        }
        Instruction::Expose(ports) => {
            for (rule, message) in ports.iter().filter_map(|port| exposed(port)) {
                warn(rule, message);
            }
        }
        Instruction::Copy(transfer) | Instruction::Add(transfer) => {
            let name = step.keyword.to_ascii_uppercase();
            for source in ignored(transfer, ignore) {
                let message = format!(
                    "Attempting to {name} file {source:?} that is excluded by .dockerignore"
                );
                warn(Rule::CopyIgnoredFile, message);
            }
        }
        _ => {}
    }
}

fn legacy(name: &str, pairs: &[KeyValue]) -> Option<String> {
    pairs.iter().any(|pair| pair.is_legacy).then(|| {
        format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format")
    })
}

fn secret(instruction: &str, name: &str) -> String {
    format!("Do not use ARG or ENV instructions for sensitive data ({instruction} {name:?})")
}

/// Whether a variable's name says that its value is for few eyes.
fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 11] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "secrets",
        "token",
    ];
    let name = name.to_ascii_lowercase();
    let mut parts = name.split('_');
    let is_public = name.split('_').any(|part| part == "public");
    !is_public && parts.any(|part| SECRET.contains(&part))
}

fn exposed(port: &str) -> Option<(Rule, String)> {
    if port.contains('$') {
        return None;
    }
    if port.contains(':') {
        let message = format!(
            "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
        );
        return Some((Rule::ExposeInvalidFormat, message));
    }
    let protocol = Expose::parse(port)?.protocol;
    let is_other = protocol.chars().any(char::is_uppercase);
    is_other.then(|| {
        let message =
            format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
        (Rule::ExposeProtoCasing, message)
    })
}

/// The sources in the context that are left out of it.
fn ignored<'t>(transfer: &'t Transfer, ignore: Option<&IgnoreFile>) -> Vec<&'t str> {
    let Some(ignore) = ignore.filter(|_| transfer.from.is_none()) else { return Vec::new() };
    let is_plain = |source: &&str| {
        !source.contains('$') && !source.contains("://") && !source.contains(['*', '?', '['])
    };
    let sources = transfer.sources.iter().map(String::as_str);
    sources.filter(is_plain).filter(|source| ignore.excludes(source)).collect()
}

/// Commands that run in a shell, where the stage did not choose the shell.
fn commands(stage: &Stage, warnings: &mut Vec<Warning>) {
    let chooses = |step: &Step| matches!(step.instruction, Instruction::Shell(_));
    if stage.steps.iter().any(chooses) {
        return;
    }
    for step in &stage.steps {
        let (name, command) = match &step.instruction {
            Instruction::Cmd(command) => ("CMD", command),
            Instruction::Entrypoint(command) => ("ENTRYPOINT", command),
            _ => continue,
        };
        if matches!(command, Command::Shell(line) if !line.is_empty()) {
            let message = format!(
                "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
            );
            warnings.push(Warning { rule: Rule::JsonArgsRecommended, message, span: step.span });
        }
    }
}

/// Instructions of which only the last counts: all others of the stage.
fn repeated(stage: &Stage, warnings: &mut Vec<Warning>) {
    for name in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
        let same = stage.steps.iter().filter(|step| step.keyword.eq_ignore_ascii_case(name));
        let all: Vec<&Step> = same.collect();
        for step in all.iter().take(all.len().saturating_sub(1)) {
            let message = format!(
                "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
            );
            let rule = Rule::MultipleInstructionsDisallowed;
            warnings.push(Warning { rule, message, span: step.span });
        }
    }
}

/// Relative directories before an absolute one, in the stage or those it begins from.
fn workdirs(dockerfile: &Dockerfile, number: usize, warnings: &mut Vec<Warning>) {
    if begins_absolute(dockerfile, number) {
        return;
    }
    for step in &dockerfile.stages[number].steps {
        let Instruction::Workdir(path) = &step.instruction else { continue };
        if path.starts_with(['/', '$']) {
            return;
        }
        let message = format!(
            "Relative workdir {path:?} can have unexpected results if the base image changes"
        );
        warnings.push(Warning { rule: Rule::WorkdirRelativePath, message, span: step.span });
    }
}

/// Whether a stage that this one begins from has said where it works.
fn begins_absolute(dockerfile: &Dockerfile, number: usize) -> bool {
    let mut number = number;
    while let Some(base) = dockerfile.stage_before(number, &dockerfile.stages[number].from.base) {
        let says = |step: &Step| matches!(&step.instruction, Instruction::Workdir(path) if path.starts_with(['/', '$']));
        if dockerfile.stages[base].steps.iter().any(says) {
            return true;
        }
        number = base;
    }
    false
}
