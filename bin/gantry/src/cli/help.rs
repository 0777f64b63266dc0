//! Help texts: of the program, of a group, of a command. What a command does is said in its doc comment.

use std::fmt::Write as _;

use clap::Command;

use super::table::{Node, TOP};

/// Help of the whole program.
pub(crate) fn of_program(frame: Command) -> String {
    let mut text = "Usage:  gantry [OPTIONS] COMMAND\n\nA container platform\n".to_owned();
    list(&mut text, "Management Commands", TOP.iter().filter(|node| !node.children().is_empty()));
    list(&mut text, "Commands", TOP.iter().filter(|node| node.children().is_empty()));
    options(&mut text, "Global Options", frame);
    text.push_str("\nRun 'gantry COMMAND --help' for more information on a command.\n");
    text
}

/// Help of a group or a command that was called as `path`.
pub(crate) fn of_node(path: &str, node: &Node) -> String {
    match node {
        Node::Group { about, nodes, .. } => {
            let mut text = format!("Usage:  {path} COMMAND\n\n{about}\n");
            list(&mut text, "Commands", nodes.iter());
            add(
                &mut text,
                format_args!("\nRun '{path} COMMAND --help' for more information on a command.\n"),
            );
            text
        }
        Node::Verb { build, usage, .. } => {
            let command = build();
            let mut text = format!("Usage:  {path} {usage}\n\n{}\n", about(&command));
            let aliases = aliases(node);
            if aliases.len() > 1 {
                add(&mut text, format_args!("\nAliases:\n  {}\n", aliases.join(", ")));
            }
            options(&mut text, "Options", command);
            text
        }
    }
}

/// Every way to call a command: two entries are the same when they run the same.
fn aliases(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    for top in TOP {
        for child in top.children() {
            extend(&mut found, &format!("gantry {}", top.name()), child, node);
        }
        extend(&mut found, "gantry", top, node);
    }
    found
}

fn extend(found: &mut Vec<String>, path: &str, candidate: &Node, node: &Node) {
    let (Node::Verb { names, run: one, .. }, Node::Verb { run: other, .. }) = (candidate, node)
    else {
        return;
    };
    if std::ptr::fn_addr_eq(*one, *other) {
        found.extend(names.iter().map(|name| format!("{path} {name}")));
    }
}

fn list<'a>(text: &mut String, title: &str, nodes: impl Iterator<Item = &'a Node>) {
    add(text, format_args!("\n{title}:\n"));
    for node in nodes {
        let about = match node {
            Node::Group { about, .. } => (*about).to_owned(),
            Node::Verb { build, .. } => about(&build()),
        };
        add(text, format_args!("  {:<10}  {about}\n", node.name()));
    }
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The flags, drawn by clap.
fn options(text: &mut String, title: &str, command: Command) {
    if command.get_arguments().all(clap::Arg::is_positional) {
        return;
    }
    let mut command = command
        .disable_help_flag(true)
        .help_template("{options}")
        .term_width(100)
        .mut_args(|arg| if arg.is_positional() { arg.hide(true) } else { arg });
    add(text, format_args!("\n{title}:\n{}\n", command.render_help().to_string().trim_end()));
}

/// Writing into a string cannot fail.
fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).unwrap_or(());
}
