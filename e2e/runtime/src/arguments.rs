//! The command line.

use std::path::PathBuf;

/// What is asked for.
pub(crate) enum Arguments {
    Run(RunArguments),
    Report { files: Vec<PathBuf>, record: Option<PathBuf> },
    List,
}

#[derive(Debug, Clone)]
pub(crate) struct RunArguments {
    pub(crate) runtimes: Vec<PathBuf>,
    pub(crate) filter: String,
    /// Cases at a time.
    pub(crate) jobs: usize,
    pub(crate) verbose: bool,
    pub(crate) json: Option<PathBuf>,
    /// Said by ourselves: the private namespace is entered.
    pub(crate) inside: bool,
}

const USAGE: &str = "usage: gantry-conformance run --runtime PATH... [--filter TEXT] [--jobs N] [--verbose] \
                     [--json FILE] | report JSON... [--record FILE] | list";

impl Arguments {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        match words.split_first() {
            Some((word, rest)) if word == "run" => parse_run(rest).map(Self::Run),
            Some((word, rest)) if word == "report" => parse_report(rest),
            Some((word, [])) if word == "list" => Ok(Self::List),
            _ => Err(USAGE.to_owned()),
        }
    }
}

fn parse_run(words: &[String]) -> Result<RunArguments, String> {
    let mut arguments = RunArguments {
        runtimes: Vec::new(),
        filter: String::new(),
        jobs: 2,
        verbose: false,
        json: None,
        inside: false,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--runtime" => arguments.runtimes.push(PathBuf::from(value()?)),
            "--filter" => arguments.filter.clone_from(value()?),
            "--jobs" => {
                let number = value()?;
                let jobs = number.parse().ok().filter(|jobs| (1..=64).contains(jobs));
                arguments.jobs =
                    jobs.ok_or_else(|| format!("--jobs is a number from 1 to 64, not {number}"))?;
            }
            "--json" => arguments.json = Some(PathBuf::from(value()?)),
            "--verbose" => arguments.verbose = true,
            "--inside" => arguments.inside = true,
            _ => return Err(format!("unknown word {word}; {USAGE}")),
        }
    }
    if arguments.runtimes.is_empty() {
        return Err(format!("no runtime is named; {USAGE}"));
    }
    Ok(arguments)
}

fn parse_report(words: &[String]) -> Result<Arguments, String> {
    let (mut files, mut record) = (Vec::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--record" {
            let path = words.next().ok_or("--record needs a file")?;
            record = Some(PathBuf::from(path));
        } else {
            files.push(PathBuf::from(word));
        }
    }
    Ok(Arguments::Report { files, record })
}
