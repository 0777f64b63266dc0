//! From names to numbers: what a profile says of each call of one architecture.

use std::collections::BTreeMap;

use crate::action::{Action, ENOSYS, Verdict};
use crate::architecture::{ARM_PRIVATE, Architecture, X32_BIT};
use crate::multiplex;
use crate::rule::{Condition, Operator, Profile, Rule};
use crate::syscalls::{self, Row};

/// The rules for one call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The first rule without conditions. It outranks all others.
    pub(crate) always: Option<Verdict>,
    /// The rules with conditions; the first whose conditions all hold counts.
    pub(crate) sometimes: Vec<(Vec<Condition>, Verdict)>,
}

/// A rule whose names were looked up, those that no architecture has left out.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    rule: &'a Rule<'a>,
    names: Vec<(&'a str, Row)>,
}

/// Looks the names of all rules up, once for all architectures.
pub(crate) fn known<'a>(profile: &'a Profile<'a>) -> Vec<Known<'a>> {
    let known = |rule: &'a Rule<'a>| {
        let names = rule.names.iter().filter_map(|&name| Some((name, syscalls::find(name)?)));
        Known { rule, names: names.collect() }
    };
    profile.rules.iter().map(known).collect()
}

/// What a profile says of one architecture's calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// By the number that the kernel reports, with the x32 bit.
    pub(crate) by_number: BTreeMap<u32, Call>,
    /// The highest number that the profile names, and the same for arm's private calls.
    newest: Option<u32>,
    newest_private: Option<u32>,
}

impl Calls {
    pub(crate) fn of(rules: &[Known<'_>], default: Action, architecture: Architecture) -> Self {
        let mut calls = Self::default();
        for Known { rule, names } in rules {
            // Such a rule changes nothing, but its calls are known to the profile.
            let redundant = rule.action == default;
            for &(name, row) in names {
                calls.add(rule, (name, row), architecture, redundant);
            }
        }
        calls
    }

    fn add(
        &mut self,
        rule: &Rule<'_>,
        (name, row): (&str, Row),
        architecture: Architecture,
        redundant: bool,
    ) {
        if let Some(number) = row.number(architecture) {
            let newest = if architecture == Architecture::Arm && number >= ARM_PRIVATE {
                &mut self.newest_private
            } else {
                &mut self.newest
            };
            *newest = (*newest).max(Some(number));
            if !redundant {
                self.rule(number + first_number(architecture), rule, None);
            }
        }
        if architecture == Architecture::X86
            && !redundant
            && let Some((carrier, first_argument)) = multiplex::carrier(name)
            && let Some(number) = syscalls::find(carrier).and_then(|row| row.number(architecture))
        {
            let which = Condition { index: 0, operator: Operator::Equal(first_argument) };
            self.rule(number, rule, Some(which));
        }
    }

    fn rule(&mut self, number: u32, rule: &Rule<'_>, carried: Option<Condition>) {
        let call = self.by_number.entry(number).or_default();
        let verdict = rule.action.verdict();
        if let Some(which) = carried {
            // The real arguments lie in memory, where a filter cannot look; the call's number takes the first one's place.
            let rest = rule.conditions.iter().copied().filter(|condition| condition.index != 0);
            call.sometimes.push((std::iter::once(which).chain(rest).collect(), verdict));
        } else if rule.conditions.is_empty() {
            call.always.get_or_insert(verdict);
        } else {
            call.sometimes.push((rule.conditions.clone(), verdict));
        }
    }

    /// Ranges of numbers and the answer to those calls in them that no rule names.
    ///
    /// A program probes for a call that came after the profile, and falls back only when it gets ENOSYS; so calls above the
    /// newest that the profile names get that instead of a refusal, as runc does since 1.0.0-rc93.
    pub(crate) fn unnamed(
        &self,
        default: Action,
        architecture: Architecture,
    ) -> Vec<(u32, u32, Verdict)> {
        let (first, last) = (first_number(architecture), last_number(architecture));
        let mut ranges = vec![(first, last, default.verdict())];
        if architecture == Architecture::X86_64 {
            // A tracer that cancels a call sets its number to -1; that is not an x32 call.
            ranges.push((u32::MAX, u32::MAX, default.verdict()));
        }
        if default.lets_through() {
            return ranges;
        }
        let missing = Action::Errno(ENOSYS).verdict();
        if let Some(newest) = self.newest {
            ranges.push((first + newest + 1, last, missing));
        }
        if let Some(newest) = self.newest_private {
            ranges.push((ARM_PRIVATE, newest, default.verdict()));
            ranges.push((newest + 1, last, missing));
        }
        ranges
    }
}

fn first_number(architecture: Architecture) -> u32 {
    if architecture == Architecture::X32 { X32_BIT } else { 0 }
}

fn last_number(architecture: Architecture) -> u32 {
    if architecture == Architecture::X86_64 { X32_BIT - 1 } else { u32::MAX }
}
