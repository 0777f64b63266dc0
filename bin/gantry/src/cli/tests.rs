//! The frame: finding commands, words for what is wrong, help.

use clap::{ArgMatches, Command};

use super::*;

/// Parses words as `run` would; the error is its text.
pub(crate) fn parse_words(command: Command, words: &[&str]) -> Result<ArgMatches, String> {
    let usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]";
    let place = parse::Place { path: "gantry run", usage, takes: Some(Takes::AtLeast(1)) };
    match parse::parse(command, &place, words.iter().map(OsString::from).collect()) {
        Ok(Some(matches)) => Ok(matches),
        Ok(None) => Err("help".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn failure(words: &[&str]) -> (String, u8) {
    let environment = Environment::default();
    match run(words.iter().map(OsString::from).collect(), environment) {
        Ok(code) => panic!("{words:?} ended with {code}"),
        Err(error) => (error.report(), crate::exit::code(&error)),
    }
}

#[test]
fn wrong_command_lines_are_answered_as_docker_answers_them() {
    for (words, text, code) in [
        (&["--foo"][..], "unknown flag: --foo\n\nUsage:  gantry [OPTIONS] COMMAND", 125),
        (&["-z"], "unknown shorthand flag: 'z' in -z", 125),
        (&["foo"], "gantry: unknown command: gantry foo\n\nRun 'gantry --help'", 1),
        (&["container", "foo"], "gantry: unknown command: gantry container foo", 1),
        (&["buildx", "x"], "gantry: 'gantry buildx' is not there yet", 1),
        (&["ps", "--foo"], "unknown flag: --foo\n\nUsage:  gantry ps [OPTIONS]", 125),
        (&["ps", "x"], "gantry: 'gantry ps' accepts no arguments\n\nUsage:  gantry ps", 1),
        (&["start"], "gantry: 'gantry start' requires at least 1 argument", 1),
        (&["rename", "a"], "gantry: 'gantry rename' requires 2 arguments", 1),
        (&["rename", "a", "b", "c"], "gantry: 'gantry rename' requires 2 arguments", 1),
        (&["images", "a", "b"], "gantry: 'gantry images' requires at most 1 argument", 1),
        (&["container", "run"], "gantry: 'gantry container run' requires at least 1 argument", 1),
        (&["exec", "x"], "gantry: 'gantry exec' requires at least 2 arguments", 1),
        (&["-c", "other", "ps"], "contexts are not there yet: name the daemon with -H", 1),
        (&["-H", "nonsense", "ps"], "unable to parse host \"nonsense\"", 1),
    ] {
        let (found, exit) = failure(words);
        assert!(found.starts_with(text), "{words:?}: {found}");
        assert_eq!(exit, code, "{words:?}");
    }
}

#[test]
fn every_command_builds_and_has_help() {
    fn check(path: &str, nodes: &'static [Node]) {
        for node in nodes {
            let path = format!("{path} {}", node.name());
            let text = help::of_node(&path, node);
            assert!(text.starts_with(&format!("Usage:  {path} ")), "{text}");
            // After the usage, which may have more than one line.
            let about = text.split("\n\n").nth(1).unwrap_or_default();
            assert!(about.chars().next().is_some_and(char::is_uppercase), "{path}: {about:?}");
            if let Node::Verb { build, .. } = node {
                build().debug_assert();
            }
            check(&path, node.children());
        }
    }
    check("gantry", TOP);
}

#[test]
fn help_of_run_is_about_run() {
    let (path, node, _) = find(&["run".to_owned()]).unwrap();
    let text = help::of_node(&path, node);
    for part in [
        "Usage:  gantry run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nCreate and run a new container from an image\n",
        "\nAliases:\n  gantry container run, gantry run\n",
        "Run container in background and print container ID",
        "Set environment variables",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}
