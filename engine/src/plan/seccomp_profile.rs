//! Docker's form of a system call filter: the specification's, and besides architectures with those that belong to them
//! and rules that hold only with some capabilities, machines or kernels. Here it becomes the specification's form.
//!
//! Follows moby's `profiles/seccomp` (the form of its `default.json`).

use gantry_oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompSyscall};
use serde::Deserialize;

use crate::error::Error;

/// No profile is longer; Docker's own has an eighth of that.
const MAX_BYTES: usize = 1 << 20;

/// Go's name of this machine, which the profiles use.
const MACHINE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
/// The specification's.
const NATIVE: &str =
    if cfg!(target_arch = "aarch64") { "SCMP_ARCH_AARCH64" } else { "SCMP_ARCH_X86_64" };

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Profile {
    default_action: Option<SeccompAction>,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<ArchitectureEntry>>,
    flags: Option<Vec<String>>,
    listener_path: String,
    listener_metadata: String,
    syscalls: Option<Vec<Rule>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ArchitectureEntry {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// The old form of `names`.
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: SeccompAction,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<SeccompArg>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// What a profile's rules ask about.
pub(super) struct Circumstances<'a> {
    /// The bounding set.
    pub capabilities: &'a [String],
    /// Major and minor number.
    pub kernel: (u32, u32),
}

/// The profile for a container in these circumstances; `None` when it has neither a default action nor rules, which
/// means no filter.
pub(super) fn resolve(
    json: &str,
    circumstances: &Circumstances<'_>,
) -> Result<Option<Seccomp>, Error> {
    if json.len() > MAX_BYTES {
        return Err(failed(format!("it is longer than {MAX_BYTES} bytes")));
    }
    let profile: Profile = serde_json::from_str(json).map_err(|error| failed(error.to_string()))?;
    let rules = profile.syscalls.unwrap_or_default();
    let Some(default_action) = profile.default_action else {
        if rules.is_empty() {
            return Ok(None);
        }
        return Err(failed("it has rules and no defaultAction"));
    };
    let mut syscalls = Vec::new();
    for rule in rules {
        syscalls.extend(holding(rule, circumstances)?);
    }
    let seccomp = Seccomp {
        default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures: architectures(profile.architectures, profile.arch_map)?,
        flags: profile.flags.unwrap_or_default(),
        listener_path: profile.listener_path,
        listener_metadata: profile.listener_metadata,
        syscalls,
    };
    // What is wrong with it is told now, and not when the container starts.
    gantry_seccomp::compile(&seccomp).map_err(|error| failed(error.to_string()))?;
    Ok(Some(seccomp))
}

fn failed(why: impl AsRef<str>) -> Error {
    Error::invalid(format!("Decoding seccomp profile failed: {}", why.as_ref()))
}

fn architectures(
    plain: Option<Vec<String>>,
    map: Option<Vec<ArchitectureEntry>>,
) -> Result<Vec<String>, Error> {
    let (plain, map) = (plain.unwrap_or_default(), map.unwrap_or_default());
    if !plain.is_empty() && !map.is_empty() {
        return Err(failed(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or \
             'archMap'",
        ));
    }
    let own = map.into_iter().find(|entry| entry.architecture == NATIVE);
    Ok(match own {
        Some(entry) => std::iter::once(entry.architecture)
            .chain(entry.sub_architectures.unwrap_or_default())
            .collect(),
        None => plain,
    })
}

/// The rule in the specification's form, if it holds here.
fn holding(rule: Rule, circumstances: &Circumstances<'_>) -> Result<Option<SeccompSyscall>, Error> {
    let mut names = rule.names.unwrap_or_default();
    if !rule.name.is_empty() {
        if !names.is_empty() {
            return Err(failed(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
            ));
        }
        names.push(rule.name);
    }
    if let Some(excludes) = &rule.excludes {
        let has = |it: &String| circumstances.capabilities.contains(it);
        let arches = excludes.arches.iter().flatten();
        if arches.clone().any(|arch| arch == MACHINE)
            || excludes.caps.iter().flatten().any(has)
            || is_met(excludes.min_kernel.as_deref(), circumstances)?.unwrap_or(false)
        {
            return Ok(None);
        }
    }
    if let Some(includes) = &rule.includes {
        let misses = |it: &String| !circumstances.capabilities.contains(it);
        let arches = includes.arches.as_deref().unwrap_or_default();
        if (!arches.is_empty() && arches.iter().all(|arch| arch != MACHINE))
            || includes.caps.iter().flatten().any(misses)
            || !is_met(includes.min_kernel.as_deref(), circumstances)?.unwrap_or(true)
        {
            return Ok(None);
        }
    }
    Ok(Some(SeccompSyscall {
        names,
        action: rule.action,
        errno_ret: rule.errno_ret,
        args: rule.args.unwrap_or_default(),
    }))
}

/// Whether this kernel is as new as a filter says; `None` when it says nothing.
fn is_met(
    min_kernel: Option<&str>,
    circumstances: &Circumstances<'_>,
) -> Result<Option<bool>, Error> {
    let Some(text) = min_kernel.filter(|text| !text.is_empty()) else { return Ok(None) };
    let numbers = text
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
    match numbers {
        Some(wanted) => Ok(Some(circumstances.kernel >= wanted)),
        None => Err(failed(format!("minKernel {text:?} is not a version such as 4.8"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str, capabilities: &[&str], kernel: (u32, u32)) -> Result<Option<Seccomp>, Error> {
        let capabilities: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
        resolve(json, &Circumstances { capabilities: &capabilities, kernel })
    }

    fn names(json: &str, capabilities: &[&str], kernel: (u32, u32)) -> Vec<String> {
        let seccomp = of(json, capabilities, kernel).unwrap().unwrap();
        seccomp.syscalls.into_iter().flat_map(|rule| rule.names).collect()
    }

    #[test]
    fn rules_hold_where_they_say() {
        let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"syscalls":[
            {"names":["read","write"],"action":"SCMP_ACT_ALLOW","comment":"x"},
            {"name":"close","action":"SCMP_ACT_ALLOW","args":null},
            {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
            {"names":["umount2"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"]}},
            {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
            {"names":["kcmp"],"action":"SCMP_ACT_ALLOW","excludes":{"minKernel":"4.8"}},
            {"names":["acct"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}},
            {"names":["bpf"],"action":"SCMP_ACT_ALLOW","excludes":{"arches":["amd64","arm64"]}}]}"#;
        let usual = ["read", "write", "close"];
        assert_eq!(names(json, &[], (6, 1)), [&usual[..], &["umount2", "ptrace"]].concat());
        assert_eq!(
            names(json, &["CAP_SYS_ADMIN"], (4, 7)),
            [&usual[..], &["mount", "kcmp"]].concat()
        );
    }

    #[test]
    fn architectures_come_with_those_that_belong_to_them() {
        let json = r#"{"defaultAction":"SCMP_ACT_ALLOW","archMap":[
            {"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]},
            {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}]}"#;
        let found = of(json, &[], (6, 1)).unwrap().unwrap().architectures;
        assert_eq!(found[0], NATIVE);
        assert!(found.len() > 1);
    }

    #[test]
    fn an_empty_profile_is_no_filter() {
        assert_eq!(of("{}", &[], (6, 1)).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, words) in [
            ("{", "EOF while parsing"),
            (r#"{"defaultAction":"ALLOW"}"#, "unknown variant `ALLOW`"),
            (r#"{"syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW"}]}"#, "no defaultAction"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ALLOW"}]}"#,
                "both 'name' and 'names'",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#,
                "both 'architectures' and 'archMap'",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_Z80"]}"#,
                "unknown architecture \"SCMP_ARCH_Z80\"",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"four"}}]}"#,
                "minKernel \"four\"",
            ),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO","args":[{"index":9,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
                "argument index 9",
            ),
        ] {
            let error = of(json, &[], (6, 1)).unwrap_err().to_string();
            assert!(error.starts_with("Decoding seccomp profile failed: "), "{error}");
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
