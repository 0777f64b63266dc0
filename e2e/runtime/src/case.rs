//! A case: one sentence of the runtime specification, and the function that looks whether a runtime keeps it.

use crate::machine::{Machine, Need};
use crate::stage::Stage;

/// How much the specification wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Must,
    Should,
}

/// A minor version of the specification's major version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minor(pub(crate) u32);

type Check = Box<dyn Fn(&mut Stage) + Send + Sync>;

/// One case. Its check panics, with a sentence, when the runtime does not conform.
pub(crate) struct Case {
    /// Unique within its section; stable, for filters and comparisons.
    pub(crate) id: String,
    /// What must hold, in our words.
    pub(crate) rule: String,
    pub(crate) level: Level,
    /// The version of the specification that brought it.
    pub(crate) since: Minor,
    needs: Vec<Need>,
    pub(crate) check: Check,
}

impl Case {
    fn new(
        level: Level,
        id: impl Into<String>,
        rule: impl Into<String>,
        check: impl Fn(&mut Stage) + Send + Sync + 'static,
    ) -> Self {
        let (id, rule) = (id.into(), rule.into());
        Self { id, rule, level, since: Minor(0), needs: Vec::new(), check: Box::new(check) }
    }

    /// Names the minor version that brought the rule.
    pub(crate) fn since(mut self, minor: u32) -> Self {
        self.since = Minor(minor);
        self
    }

    /// Names something that the machine must have, or the case is skipped.
    pub(crate) fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Why this machine cannot run the case.
    pub(crate) fn lacking(&self, machine: &Machine) -> Option<String> {
        self.needs.iter().find_map(|need| machine.lacks(*need))
    }
}

/// A case for what the specification demands.
pub(crate) fn must(
    id: impl Into<String>,
    rule: impl Into<String>,
    check: impl Fn(&mut Stage) + Send + Sync + 'static,
) -> Case {
    Case::new(Level::Must, id, rule, check)
}

/// A case for what the specification recommends, or what every caller of a runtime relies on.
pub(crate) fn should(
    id: impl Into<String>,
    rule: impl Into<String>,
    check: impl Fn(&mut Stage) + Send + Sync + 'static,
) -> Case {
    Case::new(Level::Should, id, rule, check)
}

/// The cases of one heading of the specification.
pub(crate) struct Section {
    /// `config.md`, `config-linux.md`, `runtime.md` or `features.md`.
    pub(crate) document: &'static str,
    /// The heading.
    pub(crate) title: &'static str,
    pub(crate) cases: Vec<Case>,
}

impl Section {
    pub(crate) fn new(document: &'static str, title: &'static str, cases: Vec<Case>) -> Self {
        Self { document, title, cases }
    }

    /// The name of a case in filters and results: `Mounts/listed-order`.
    pub(crate) fn name_of(&self, case: &Case) -> String {
        format!("{}/{}", self.title, case.id)
    }
}
