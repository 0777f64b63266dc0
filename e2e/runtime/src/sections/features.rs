//! features.md and features-linux.md: what the runtime says of itself, and whether that is so.

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::sections::capabilities::NAMES;
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let mut cases = document();
    cases.extend(promises());
    cases.extend(seccomp());
    let cases = cases.into_iter().map(|case| {
        // 1.2 brought these two.
        let later = ["idmap", "seccomp-flags"].contains(&case.id.as_str());
        case.since(if later { 2 } else { 1 })
    });
    Section::new("features.md", "Features", cases.collect())
}

fn features(stage: &mut Stage) -> Value {
    let text = stage.call(&["features"]).success();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("features: {error}: {text}"))
}

fn list(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("not a list: {value}"));
    list.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect()
}

fn document() -> Vec<Case> {
    vec![
        must("minimum", "ociVersionMin is a version, and a config of it is accepted.", |stage| {
            version_works(stage, "ociVersionMin");
        }),
        must("maximum", "ociVersionMax is a version, and a config of it is accepted.", |stage| {
            version_works(stage, "ociVersionMax");
        }),
        must("order", "ociVersionMax is not below ociVersionMin.", |stage| {
            let features = features(stage);
            let version = |name: &str| -> Vec<u32> {
                let text = features[name].as_str().unwrap_or_default();
                let text = text.split('-').next().unwrap_or_default();
                text.split('.').map(|part| part.parse().expect("a number")).collect()
            };
            assert!(version("ociVersionMin") <= version("ociVersionMax"), "{features}");
        }),
        must("annotations", "Annotations are a map of strings.", |stage| {
            let features = features(stage);
            let annotations = features["annotations"].as_object();
            assert!(annotations.is_none_or(|map| map.values().all(Value::is_string)), "{features}");
        }),
        must("hooks", "hooks names the kinds that the runtime calls.", |stage| {
            let hooks = list(&features(stage)["hooks"]);
            for kind in &hooks {
                assert!(super::hooks::KINDS.contains(&kind.as_str()), "{kind}");
            }
            assert_eq!(hooks.len(), super::hooks::KINDS.len());
        }),
        must(
            "cgroup",
            "The hierarchy of this machine is among those that it says it supports.",
            |stage| {
                let features = features(stage);
                let version = if stage.machine().is_pure_v2() { "v2" } else { "v1" };
                assert_eq!(features["linux"]["cgroup"][version], true, "{features}");
            },
        ),
    ]
}

fn promises() -> Vec<Case> {
    vec![
        must(
            "mount-options",
            "Every option in mountOptions is recognized, and not taken for the file system's.",
            |stage| {
                let known = list(&features(stage)["mountOptions"]);
                // Those need more than a mount of their own, and have cases of their own.
                let special = ["bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup"];
                let rest: Vec<&String> = known
                    .iter()
                    .filter(|option| {
                        !special.contains(&option.as_str()) && !option.contains("mand")
                    })
                    .collect();
                assert!(rest.len() > 30, "{rest:?}");
                let source = stage.folder("source");
                for (number, option) in rest.iter().enumerate() {
                    stage.bind(&source, &format!("/m{number}"), &["bind", option]);
                }
                assert_eq!(stage.sh("echo ran"), "ran");
            },
        ),
        must("namespaces", "Every type in namespaces is recognized.", |stage| {
            let known = list(&features(stage)["linux"]["namespaces"]);
            for kind in ["pid", "network", "mount", "ipc", "uts", "user", "cgroup"] {
                assert!(known.iter().any(|name| name == kind), "{kind}");
            }
        }),
        must(
            "capabilities",
            "Every name in capabilities is recognized, without a warning.",
            |stage| {
                let known = list(&features(stage)["linux"]["capabilities"]);
                assert!(NAMES.iter().all(|name| known.iter().any(|one| one == name)), "{known:?}");
            },
        ),
    ]
}

fn seccomp() -> Vec<Case> {
    vec![
        must("seccomp-actions", "Every action is recognized.", |stage| {
            let actions = list(&features(stage)["linux"]["seccomp"]["actions"]);
            assert!(actions.len() >= 7, "{actions:?}");
            for action in actions.iter().filter(|action| *action != "SCMP_ACT_NOTIFY") {
                let rule = json!([{"names": ["acct"], "action": action}]);
                assert_profile_works(stage, "syscalls", rule);
            }
        }),
        must("seccomp-operators", "Every operator is recognized.", |stage| {
            let operators = list(&features(stage)["linux"]["seccomp"]["operators"]);
            assert_eq!(operators.len(), 7);
            for operator in operators {
                let argument = json!({"index": 0, "value": 1, "op": operator});
                let rule =
                    json!([{"names": ["acct"], "action": "SCMP_ACT_ERRNO", "args": [argument]}]);
                assert_profile_works(stage, "syscalls", rule);
            }
        }),
        must("seccomp-architectures", "Every architecture is recognized.", |stage| {
            let features = features(stage);
            let known = list(&features["linux"]["seccomp"]["archs"]);
            assert!(known.contains(&"SCMP_ARCH_X86_64".to_owned()), "{known:?}");
            assert_profile_works(stage, "architectures", json!(known));
        }),
        must("seccomp-flags", "Every supported flag is recognized.", |stage| {
            let features = features(stage);
            let known = list(&features["linux"]["seccomp"]["supportedFlags"]);
            for flag in known.iter().filter(|flag| !flag.contains("WAIT_KILLABLE")) {
                assert_profile_works(stage, "flags", json!([flag]));
            }
        }),
        must(
            "idmap",
            "mountExtensions.idmap tells whether mappings of mounts are supported.",
            |stage| {
                let features = features(stage);
                let told = &features["linux"]["mountExtensions"]["idmap"]["enabled"];
                assert!(told.is_boolean(), "{features}");
            },
        ),
    ]
}

fn version_works(stage: &mut Stage, name: &str) {
    let version = features(stage)[name].clone();
    assert!(version.is_string(), "{version}");
    stage.set("/ociVersion", version);
    assert_eq!(stage.sh("echo ran"), "ran");
}

fn assert_profile_works(stage: &mut Stage, field: &str, value: Value) {
    let mut profile =
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"]});
    profile[field] = value;
    stage.set("/linux/seccomp", profile.clone());
    let outcome = stage.script("echo ran").run();
    assert_eq!(outcome.stdout, "ran\n", "{profile}: {outcome}");
}
