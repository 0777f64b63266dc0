//! A profile in the compiler's own words: checked, names still by name.

use crate::action::Action;
use crate::architecture::{Architecture, Machine};

/// What to compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile<'a> {
    pub(crate) machine: Machine,
    /// Those of the machine that the profile covers. Calls through any other kill the thread.
    pub(crate) architectures: Vec<Architecture>,
    pub(crate) default_action: Action,
    pub(crate) rules: Vec<Rule<'a>>,
}

/// Some calls, perhaps only with certain arguments, and the answer to them.
///
/// For one call a rule without conditions outranks those with conditions, and among equals the first one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule<'a> {
    pub(crate) names: Vec<&'a str>,
    pub(crate) action: Action,
    /// All must hold.
    pub(crate) conditions: Vec<Condition>,
}

/// A comparison of one argument with a constant, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    /// From 0 to 5.
    pub(crate) index: u8,
    pub(crate) operator: Operator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    NotEqual(u64),
    Less(u64),
    LessOrEqual(u64),
    Equal(u64),
    GreaterOrEqual(u64),
    Greater(u64),
    /// Argument and value agree in the bits of the mask.
    MaskedEqual {
        mask: u64,
        value: u64,
    },
}
