//! Device rules as systemd takes them: `DevicePolicy` and `DeviceAllow`.
//!
//! systemd knows permission by kind and number, by all of a kind, and by a driver's name; what is more than that stays with the runtime's
//! own rules, which are in force besides.

use gantry_oci::runtime::DeviceRule;

use super::properties::{Property, Value};

/// The rules, the last of which counts, as a policy and what is exempt from it.
pub(super) fn properties(rules: &[DeviceRule]) -> Vec<Property> {
    let drivers = std::fs::read_to_string("/proc/devices").unwrap_or_default();
    with_drivers(rules, &drivers)
}

fn with_drivers(rules: &[DeviceRule], drivers: &str) -> Vec<Property> {
    let mut open = true;
    let mut allowed: Vec<(String, String)> = Vec::new();
    for rule in rules {
        let access = if rule.access.is_empty() { "rwm" } else { rule.access.as_str() };
        let everything = matches!(rule.kind.as_str(), "" | "a");
        if everything {
            open = rule.allow;
            allowed.clear();
            continue;
        }
        let names = names(rule, drivers);
        if rule.allow {
            allowed.extend(names.into_iter().map(|name| (name, access.to_owned())));
        } else {
            allowed.retain(|(name, _)| !names.contains(name));
        }
    }
    let policy = if open { "auto" } else { "strict" };
    let mut list = vec![
        Property::new("DevicePolicy", Value::Text(policy.to_owned())),
        // An empty list first: the next one would only be added to what the unit has.
        Property::new("DeviceAllow", Value::Pairs(Vec::new())),
    ];
    if !open && !allowed.is_empty() {
        list.push(Property::new("DeviceAllow", Value::Pairs(allowed)));
    }
    list
}

/// systemd's names for what a rule means.
fn names(rule: &DeviceRule, drivers: &str) -> Vec<String> {
    let (kind, title) = match rule.kind.as_str() {
        "b" => ("block", "Block devices:"),
        _ => ("char", "Character devices:"),
    };
    let number = |number: Option<i64>| number.filter(|number| *number >= 0);
    match (number(rule.major), number(rule.minor)) {
        (Some(major), Some(minor)) => vec![format!("/dev/{kind}/{major}:{minor}")],
        (None, None) => vec![format!("{kind}-*")],
        // A driver has a name; one that is not loaded has no devices.
        (Some(major), None) => drivers
            .lines()
            .skip_while(|line| *line != title)
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.trim().split_once(' '))
            .filter(|(found, _)| found.parse() == Ok(major))
            .map(|(_, driver)| format!("{kind}-{}", driver.trim()))
            .collect(),
        // One number of all drivers is beyond systemd.
        (None, Some(_)) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVERS: &str = "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  1 ramdisk\n";

    fn rule(
        allow: bool,
        kind: &str,
        numbers: (Option<i64>, Option<i64>),
        access: &str,
    ) -> DeviceRule {
        let (major, minor) = numbers;
        DeviceRule { allow, kind: kind.into(), major, minor, access: access.into() }
    }

    fn check(rules: &[DeviceRule], policy: &str, allowed: &[(&str, &str)]) {
        let mut found = with_drivers(rules, DRIVERS).into_iter();
        assert_eq!(found.next().unwrap().value, Value::Text(policy.into()));
        assert_eq!(found.next().unwrap().value, Value::Pairs(Vec::new()));
        let pair = |(name, access): &(&str, &str)| ((*name).to_owned(), (*access).to_owned());
        let allowed: Vec<_> = allowed.iter().map(pair).collect();
        let more = found.next().map(|list| list.value);
        assert_eq!(more, (!allowed.is_empty()).then_some(Value::Pairs(allowed)));
    }

    #[test]
    fn rules_become_a_policy_and_its_exceptions() {
        let none = rule(false, "a", (None, None), "rwm");
        check(std::slice::from_ref(&none), "strict", &[]);
        check(&[none.clone(), rule(true, "", (None, None), "")], "auto", &[]);
        let all = [
            none,
            rule(true, "c", (Some(1), Some(3)), "rw"),
            rule(true, "b", (Some(1), None), "r"),
            rule(true, "c", (None, None), "m"),
            rule(true, "c", (Some(136), None), ""),
            rule(true, "c", (Some(99), None), ""),
            rule(true, "c", (None, Some(1)), ""),
            rule(true, "c", (Some(5), Some(0)), ""),
            rule(false, "c", (Some(5), Some(0)), ""),
        ];
        let allowed =
            [("/dev/char/1:3", "rw"), ("block-ramdisk", "r"), ("char-*", "m"), ("char-pts", "rwm")];
        check(&all, "strict", &allowed);
    }
}
