//! v1's `devices.allow` and `devices.deny`: a default, and exceptions from it.

use super::rule::{Access, Kind, Pattern, Rule};
use crate::directory::Directory;
use crate::error::Error;

/// What the kernel keeps for a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) allows_by_default: bool,
    pub(crate) exceptions: Vec<(Pattern, Access)>,
}

impl List {
    /// The list that means what the rules mean, one after the other.
    ///
    /// # Errors
    /// The kernel's list has exceptions from its default, but none from those: a device cannot be taken out of an exception
    /// that is about more devices.
    pub(crate) fn of(rules: &[Rule]) -> Result<Self, Error> {
        let mut list = Self { allows_by_default: false, exceptions: Vec::new() };
        for rule in rules {
            if rule.is_about_everything() {
                list = Self { allows_by_default: rule.allow, exceptions: Vec::new() };
                continue;
            }
            let kinds = match rule.pattern.kind {
                // The kernel would take `a` for everything, whatever follows it.
                Kind::Any => &[Kind::Block, Kind::Character][..],
                Kind::Block => &[Kind::Block],
                Kind::Character => &[Kind::Character],
            };
            for &kind in kinds {
                list.add(Rule { pattern: Pattern { kind, ..rule.pattern }, ..*rule })?;
            }
        }
        Ok(list)
    }

    fn add(&mut self, rule: Rule) -> Result<(), Error> {
        if rule.allow == self.allows_by_default {
            return self.withdraw(rule);
        }
        match self.exceptions.iter_mut().find(|(pattern, _)| *pattern == rule.pattern) {
            Some((_, access)) => *access = *access | rule.access,
            None => self.exceptions.push((rule.pattern, rule.access)),
        }
        Ok(())
    }

    /// Back to the default for some devices.
    fn withdraw(&mut self, rule: Rule) -> Result<(), Error> {
        for (pattern, access) in &mut self.exceptions {
            if rule.pattern.covers(*pattern) {
                *access = *access & !rule.access;
            } else if rule.pattern.meets(*pattern) && !(*access & rule.access).is_none() {
                let verb = if rule.allow { "allow" } else { "deny" };
                return Err(Error::DeviceRule {
                    rule: format!("{verb} {} {}", rule.pattern, rule.access),
                    reason: "cgroup v1 cannot take a device out of an earlier rule for more devices",
                });
            }
        }
        self.exceptions.retain(|(_, access)| !access.is_none());
        Ok(())
    }

    /// Parses `devices.list`. `None` when everything is allowed: the kernel does not show exceptions then.
    fn parse(text: &str) -> Option<Self> {
        let mut exceptions = Vec::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let kind = match words.next()? {
                "b" => Kind::Block,
                "c" => Kind::Character,
                _ => return None,
            };
            let (major, minor) = words.next()?.split_once(':')?;
            let number = |text: &str| match text {
                "*" => Some(None),
                number => number.parse().ok().map(Some),
            };
            let pattern = Pattern { kind, major: number(major)?, minor: number(minor)? };
            exceptions.push((pattern, Access::parse(words.next()?)?));
        }
        Some(Self { allows_by_default: false, exceptions })
    }

    /// What to write to which file to get from `current` here, without a moment in which more or less is allowed than before
    /// or after where that is possible.
    fn steps(&self, current: Option<&Self>) -> Vec<(&'static str, String)> {
        let (exception_file, withdrawal_file) = if self.allows_by_default {
            ("devices.deny", "devices.allow")
        } else {
            ("devices.allow", "devices.deny")
        };
        let mut steps = Vec::new();
        let nothing = Self { allows_by_default: self.allows_by_default, exceptions: Vec::new() };
        let current = current.filter(|it| it.allows_by_default == self.allows_by_default);
        if current.is_none() {
            steps.push((withdrawal_file, "a".to_owned()));
        }
        let current = current.unwrap_or(&nothing);
        let mut difference = |file, from: &Self, to: &Self| {
            for &(pattern, access) in &to.exceptions {
                let had = from.exceptions.iter().find(|(known, _)| *known == pattern);
                let new = access & !had.map_or(Access::NONE, |(_, access)| *access);
                if !new.is_none() {
                    steps.push((file, format!("{pattern} {new}")));
                }
            }
        };
        difference(exception_file, current, self);
        difference(withdrawal_file, self, current);
        steps
    }
}

pub(super) fn apply(directory: &Directory, rules: &[Rule]) -> Result<(), Error> {
    let list = List::of(rules)?;
    let current = List::parse(&directory.read("devices.list")?);
    directory.write_each(&list.steps(current.as_ref()))
}

#[cfg(test)]
mod tests {
    use gantry_oci::runtime::DeviceRule;

    use super::*;

    fn rule(text: &str) -> Rule {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |text: &str| text.parse::<i64>().ok();
        let (major, minor) = words[2].split_once(':').unwrap();
        Rule::parse(&DeviceRule {
            allow: words[0] == "allow",
            kind: words[1].to_owned(),
            major: number(major),
            minor: number(minor),
            access: words[3].to_owned(),
        })
        .unwrap()
    }

    fn list(rules: &[&str]) -> Result<List, Error> {
        List::of(&rules.iter().map(|text| rule(text)).collect::<Vec<_>>())
    }

    fn check(rules: &[&str], current: &str, expected: &[(&str, &str)]) {
        let steps = list(rules).unwrap().steps(List::parse(current).as_ref());
        let steps: Vec<_> = steps.iter().map(|(file, value)| (*file, value.as_str())).collect();
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_new_list() {
        check(
            &["deny a *:* rwm", "allow c 1:3 rw", "allow c 1:3 m", "allow b 8:* r"],
            "a *:* rwm",
            &[("devices.deny", "a"), ("devices.allow", "c 1:3 rwm"), ("devices.allow", "b 8:* r")],
        );
        check(&["allow a *:* rwm", "allow c 1:3 rwm"], "c 1:3 rwm", &[("devices.allow", "a")]);
        check(
            &["allow a *:* rwm", "deny c 10:* w"],
            "a *:* rwm",
            &[("devices.allow", "a"), ("devices.deny", "c 10:* w")],
        );
    }

    #[test]
    fn only_differences_are_written() {
        check(
            &["allow c 1:3 rw", "allow c 1:5 rwm"],
            "c 1:3 rwm\nb 8:0 r",
            &[
                ("devices.allow", "c 1:5 rwm"),
                ("devices.deny", "c 1:3 m"),
                ("devices.deny", "b 8:0 r"),
            ],
        );
        check(&["allow c 1:3 rwm"], "c 1:3 rwm", &[]);
    }

    #[test]
    fn any_kind_with_numbers_is_both_kinds() {
        check(
            &["allow a 7:* rw"],
            "",
            &[("devices.allow", "b 7:* rw"), ("devices.allow", "c 7:* rw")],
        );
    }

    #[test]
    fn later_rules_take_back_earlier_ones() {
        check(&["allow c 1:3 rwm", "deny c 1:* wm"], "", &[("devices.allow", "c 1:3 r")]);
        check(&["allow c 1:3 rwm", "deny a *:* rwm"], "", &[]);
        let error = list(&["allow c 1:* rwm", "deny c 1:3 w"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "device rule \"deny c 1:3 w\": cgroup v1 cannot take a device out of an earlier rule for more devices"
        );
        // Nothing in common: nothing to take out.
        list(&["allow c 1:* r", "deny c 1:3 w", "deny b 1:3 r"]).unwrap();
    }
}
