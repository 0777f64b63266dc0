//! The flags of one instruction, checked against those that it has.

use crate::Problem;
use crate::error::nearest;
use crate::source::{Flag, Statement};

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// One value, once.
    Text,
    /// One value, as often as wanted.
    Texts,
    /// Nothing, `=true` or `=false`.
    Switch,
}

/// Flags that the instruction has, each as often as it may stand.
pub(super) struct Flags<'s> {
    given: &'s [Flag],
}

impl<'s> Flags<'s> {
    /// Checks the flags of a statement.
    pub(super) fn read(
        statement: &'s Statement,
        known: &[(&'static str, Takes)],
    ) -> Result<Self, Problem> {
        for (index, flag) in statement.flags.iter().enumerate() {
            let Some((_, takes)) = known.iter().find(|(name, _)| *name == flag.name) else {
                let names: Vec<&'static str> = known.iter().map(|(name, _)| *name).collect();
                let near = nearest(&flag.name, names);
                return Err(Problem::UnknownFlag { flag: flag.name.clone(), near });
            };
            let is_again = statement.flags[..index].iter().any(|other| other.name == flag.name);
            if is_again && *takes != Takes::Texts {
                return Err(Problem::RepeatedFlag(flag.name.clone()));
            }
            match (takes, &flag.value) {
                (Takes::Switch, Some(value)) if switch(value).is_none() => {
                    let (flag, value) = (flag.name.clone(), value.clone());
                    return Err(Problem::InvalidSwitch { flag, value });
                }
                (Takes::Text | Takes::Texts, None) => {
                    return Err(Problem::MissingFlagValue(flag.name.clone()));
                }
                _ => {}
            }
        }
        Ok(Self { given: &statement.flags })
    }

    /// Fails on any flag.
    pub(super) fn none(statement: &Statement) -> Result<(), Problem> {
        Flags::read(statement, &[]).map(drop)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.texts(name).pop()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let named = self.given.iter().filter(|flag| flag.name == name);
        named.filter_map(|flag| flag.value.clone()).collect()
    }

    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        let flag = self.given.iter().find(|flag| flag.name == name)?;
        flag.value.as_deref().map_or(Some(true), switch)
    }
}

fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}
