//! Which capabilities a container gets: Docker's default set, `--cap-add`, `--cap-drop` and `--privileged`.

use std::collections::BTreeSet;

use gantry_oci::runtime::CAPABILITIES;

use crate::error::Error;

/// What a container gets when nothing is asked for; the same 14 as in Docker.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A capability asked for: one of them, or all.
enum Wanted {
    All,
    One(&'static str),
}

/// `list` is the field that it stands in.
fn parse(list: &str, text: &str) -> Result<Wanted, Error> {
    let upper = text.trim().to_ascii_uppercase();
    if upper == "ALL" {
        return Ok(Wanted::All);
    }
    let name = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    CAPABILITIES
        .iter()
        .find(|known| **known == name)
        .map(|known| Wanted::One(known))
        .ok_or_else(|| Error::invalid(format!("invalid {list}: unknown capability: {name:?}")))
}

/// The capabilities whose bit is set in `mask`, as `/proc/<pid>/status` shows a bounding set.
fn within(mask: u64) -> impl Iterator<Item = &'static str> {
    CAPABILITIES
        .iter()
        .enumerate()
        .filter(move |(bit, _)| mask & (1 << bit) != 0)
        .map(|(_, name)| *name)
}

/// Everything that the host can give.
pub(crate) fn all(host: u64) -> Vec<String> {
    within(host).map(str::to_owned).collect()
}

/// The container's bounding set, by capability number.
///
/// `host` is the daemon's own bounding set: `ALL` and `privileged` mean everything that the host can give.
pub(crate) fn resolve(
    privileged: bool,
    add: &[String],
    drop: &[String],
    host: u64,
) -> Result<Vec<String>, Error> {
    let mut set: BTreeSet<&str> = BTreeSet::new();
    let added = add.iter().map(|text| parse("CapAdd", text)).collect::<Result<Vec<_>, _>>()?;
    let dropped = drop.iter().map(|text| parse("CapDrop", text)).collect::<Result<Vec<_>, _>>()?;
    if privileged || added.iter().any(|wanted| matches!(wanted, Wanted::All)) {
        set.extend(within(host));
    } else if !dropped.iter().any(|wanted| matches!(wanted, Wanted::All)) {
        set.extend(DEFAULT.iter().filter(|name| within(host).any(|known| known == **name)));
    }
    if privileged {
        return Ok(in_order(&set));
    }
    // `--cap-drop ALL --cap-add X` leaves X; `--cap-add ALL --cap-drop X` leaves all but X.
    for wanted in dropped {
        if let Wanted::One(name) = wanted {
            set.remove(name);
        }
    }
    for wanted in added {
        if let Wanted::One(name) = wanted {
            set.insert(name);
        }
    }
    Ok(in_order(&set))
}

fn in_order(set: &BTreeSet<&str>) -> Vec<String> {
    CAPABILITIES.iter().filter(|name| set.contains(*name)).map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: u64 = (1 << 41) - 1;

    fn count(privileged: bool, add: &[&str], drop: &[&str]) -> usize {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        resolve(privileged, &own(add), &own(drop), EVERYTHING).unwrap().len()
    }

    #[test]
    fn adds_and_drops_as_docker_does() {
        let cases: [(&[&str], &[&str], usize); 6] = [
            (&[], &[], 14),
            (&["SYS_ADMIN"], &[], 15),
            (&[], &["cap_chown"], 13),
            (&["NET_ADMIN"], &["ALL"], 1),
            (&["ALL"], &["MKNOD"], 40),
            (&["CHOWN"], &[], 14),
        ];
        for (add, drop, expected) in cases {
            assert_eq!(count(false, add, drop), expected, "{add:?} {drop:?}");
        }
        assert_eq!(count(true, &[], &["ALL"]), 41);
    }

    #[test]
    fn never_promises_what_the_host_lacks() {
        let without_resource = EVERYTHING & !(1 << 24);
        let all = resolve(true, &[], &[], without_resource).unwrap();
        assert_eq!(all.len(), 40);
        assert!(!all.contains(&"CAP_SYS_RESOURCE".to_owned()));
    }

    #[test]
    fn names_what_it_does_not_know() {
        let error = resolve(false, &["FLY".into()], &[], EVERYTHING).unwrap_err();
        assert_eq!(error.to_string(), "invalid CapAdd: unknown capability: \"CAP_FLY\"");
    }
}
