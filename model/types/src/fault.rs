//! What an examination of a store finds: something that is not as it should be, with what it means and what to do.

use serde::{Deserialize, Serialize};

/// How bad a [`Fault`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that is needed is missing or not what it should be.
    Damage,
    /// Something takes room, and nobody needs it.
    Waste,
}

/// One thing in a store that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// What it is found on: `image sha256:…`, `blob sha256:…`, a path.
    pub object: String,
    /// What is wrong with it, for people.
    pub problem: String,
    /// What to do about it, for people.
    pub remedy: String,
}

impl Fault {
    /// Something that is needed is missing or not what it should be.
    pub fn damage(object: impl Into<String>, problem: impl Into<String>, remedy: &str) -> Self {
        Self::new(Severity::Damage, object.into(), problem.into(), remedy)
    }

    /// Something takes room, and nobody needs it.
    pub fn waste(object: impl Into<String>, problem: impl Into<String>, remedy: &str) -> Self {
        Self::new(Severity::Waste, object.into(), problem.into(), remedy)
    }

    fn new(severity: Severity, object: String, problem: String, remedy: &str) -> Self {
        Self { severity, object, problem, remedy: remedy.to_owned() }
    }
}
