//! The description of the API says what the API does: its routes and its parameters.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::Findings;
use crate::checkout::Checkout;

const DESCRIPTION: &str = "edge/docker-http/openapi.yaml";
const TABLE: &str = "edge/docker-http/src/route/table.rs";
const HANDLERS: &str = "edge/docker-http/src";

/// The ways in which handlers ask for a parameter.
const QUESTIONS: [&str; 8] =
    ["get", "text", "all", "flag", "flag_or", "number", "platform", "platforms"];

/// One operation: the method in small letters, and the path.
type Operation = (String, String);

pub(crate) fn described(checkout: &Checkout, findings: &mut Findings) {
    let table = checkout.sources.iter().find(|source| source.path == Path::new(TABLE));
    let Some(table) = table else { return };
    let description = fs::read_to_string(checkout.root.join(DESCRIPTION)).unwrap_or_default();
    let (routes, told) = (routes(&table.text), operations(&description));
    let name = |(method, path): &Operation| format!("{} {path}", method.to_uppercase());
    for route in routes.difference(&told) {
        let text = format!("{} is not in {DESCRIPTION}: describe it there", name(route));
        findings.add(Path::new(TABLE), None, text);
    }
    for operation in told.difference(&routes) {
        let text = format!("{} is no route of {TABLE}: take it out", name(operation));
        findings.add(Path::new(DESCRIPTION), None, text);
    }
    let parameters = parameters(&description);
    let handlers = checkout.sources.iter().filter(|source| source.path.starts_with(HANDLERS));
    // How a query is read is told, and tried, where no parameter is meant.
    for handler in handlers.filter(|source| !source.path.ends_with("query.rs")) {
        for parameter in asked(&handler.text).difference(&parameters) {
            let text = format!("the parameter {parameter:?} is not in {DESCRIPTION}: describe it");
            findings.add(&handler.path, None, text);
        }
    }
}

/// Each `Method::X` that a path follows.
fn routes(table: &str) -> BTreeSet<Operation> {
    let mut routes = BTreeSet::new();
    for rest in table.split("Method::").skip(1) {
        let Some((method, rest)) = rest.split_once(',') else { continue };
        let rest = rest.trim_start();
        let rest = rest.strip_prefix("pattern:").map_or(rest, str::trim_start);
        let path = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        if let Some((path, _)) = path.filter(|(path, _)| path.starts_with('/')) {
            routes.insert((method.to_lowercase(), path.to_owned()));
        }
    }
    routes
}

/// The operations of the description, by its indentation.
fn operations(description: &str) -> BTreeSet<Operation> {
    let mut operations = BTreeSet::new();
    let mut path = "";
    for line in description.lines() {
        if let Some(name) = line.strip_prefix("  /") {
            path = &line[2..3 + name.trim_end_matches(':').len()];
        } else if let Some((method, _)) =
            line.strip_prefix("    ").and_then(|rest| rest.split_once(':'))
            && ["get", "head", "post", "put", "delete"].contains(&method)
        {
            operations.insert((method.to_owned(), path.to_owned()));
        }
    }
    operations
}

/// The names of all parameters in queries.
fn parameters(description: &str) -> BTreeSet<String> {
    let named = description.split("{name: ").skip(1);
    let named = named.filter_map(|rest| rest.split_once(", in: query"));
    named.filter(|(name, _)| !name.contains(' ')).map(|(name, _)| name.to_owned()).collect()
}

/// The names that a handler asks its query for.
fn asked(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for rest in text.split("query").skip(1) {
        let Some(rest) = rest.trim_start().strip_prefix('.') else { continue };
        let Some((question, rest)) = rest.split_once('(') else { continue };
        let question = question.split("::").next().unwrap_or_default();
        let name = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
        if let Some((name, _)) = name.filter(|_| QUESTIONS.contains(&question)) {
            names.insert(name.to_owned());
        }
    }
    // What a function reads out of the query that it is given.
    let given = text.split("(query, \"").skip(1);
    names.extend(given.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_and_parameters_are_found_on_both_sides() {
        let table = "serve(Method::GET, \"/a\", A),\n serve(\n Method::POST,\n \"/a/{name}\", B), Route { method: Method::PUT, pattern: \"/c\" }";
        let description = "paths:\n  /a:\n    get: {x: y}\n  /a/{name}:\n    parameters: []\n    post:\n  /c:\n    put: {}\n";
        assert_eq!(routes(table), operations(description));
        assert_eq!(routes(table).len(), 3);
        let yaml = "- {name: one-shot, in: query, schema: {}}\n{name: X, in: header}\n{name: t, in: query}";
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(parameters(yaml), words(&["one-shot", "t"]));
        let code = "call.query.number::<i64>(\"t\")?; query.flag( \"one-shot\"); other.get(\"no\"); document(query, \"d\")?";
        assert_eq!(asked(code), words(&["d", "one-shot", "t"]));
    }
}
