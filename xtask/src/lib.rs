//! The rules of the house as checks: each reads a checkout and names every place that breaks it.
//!
//! Only rules that need the whole workspace live here. What one compiler pass can see is clippy's and
//! rustfmt's business (`clippy.toml`, `rustfmt.toml`, `[workspace.lints]`).

mod checkout;
mod rules;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};

use checkout::Checkout;
pub use checkout::Error;

/// One place that breaks one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the broken rule, as in [`RULES`].
    pub rule: &'static str,
    /// The file, relative to the checkout.
    pub file: PathBuf,
    /// The line, counted from 1; none when the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong and what to do, in one sentence.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {} [{}]", self.message, self.rule)
    }
}

/// What a rule has found so far; a rule adds to it through [`Findings::add`].
struct Findings {
    rule: &'static str,
    violations: Vec<Violation>,
}

impl Findings {
    fn add(&mut self, file: &Path, line: impl Into<Option<usize>>, message: impl Into<String>) {
        self.violations.push(Violation {
            rule: self.rule,
            file: file.to_owned(),
            line: line.into(),
            message: message.into(),
        });
    }
}

/// One rule: its name, what it promises, and the check.
pub struct Rule {
    /// The name by which `cargo xtask check NAME` knows it.
    pub name: &'static str,
    /// What holds when the rule is kept.
    pub promise: &'static str,
    check: fn(&Checkout, &mut Findings),
}

/// Every rule, in the order in which they are checked.
pub const RULES: &[Rule] = rules::ALL;

/// Checks the named rules (all, when none is named) on the checkout at `root`.
///
/// # Errors
/// When a file of the checkout cannot be read or understood at all.
pub fn check(root: &Path, only: &[String]) -> Result<Vec<Violation>, Error> {
    let checkout = Checkout::read(root)?;
    let mut all = Vec::new();
    for rule in RULES.iter().filter(|rule| only.is_empty() || only.iter().any(|n| n == rule.name)) {
        let mut findings = Findings { rule: rule.name, violations: Vec::new() };
        (rule.check)(&checkout, &mut findings);
        all.append(&mut findings.violations);
    }
    Ok(all)
}

/// An error and its causes on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push(inner.to_string());
        cause = inner.source();
    }
    words.join(": ")
}
