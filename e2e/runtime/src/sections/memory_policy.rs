//! config-linux.md, "Memory policy".

use serde_json::{Value, json};

use crate::case::{Case, Section, must};
use crate::machine::Need;
use crate::stage::Stage;

pub(super) fn section() -> Section {
    let shown = |id: &'static str, value: fn() -> Value, expected: &'static str| {
        must(id, format!("{id} is the policy of the process."), move |stage: &mut Stage| {
            stage.set("/linux/memoryPolicy", value());
            let policy = stage.look().text("/memory_policy").to_owned();
            assert!(policy.starts_with(expected), "{policy}");
        })
    };
    let refused = |id: &'static str, rule: &'static str, value: fn() -> Value| {
        must(id, rule, move |stage: &mut Stage| {
            stage.set("/linux/memoryPolicy", value()).refused();
        })
    };
    let cases: Vec<Case> = vec![
        shown("MPOL_DEFAULT", || json!({"mode": "MPOL_DEFAULT"}), "default"),
        shown("MPOL_BIND", || json!({"mode": "MPOL_BIND", "nodes": "0"}), "bind:0"),
        shown(
            "MPOL_INTERLEAVE",
            || json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}),
            "interleave:0",
        ),
        shown("MPOL_PREFERRED", || json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), "prefer:0"),
        shown(
            "MPOL_PREFERRED_MANY",
            || json!({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}),
            "prefer (many):0",
        ),
        shown("MPOL_LOCAL", || json!({"mode": "MPOL_LOCAL"}), "local"),
        shown(
            "MPOL_F_STATIC_NODES",
            || json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
            "bind=static:0",
        ),
        shown(
            "MPOL_F_RELATIVE_NODES",
            || json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}),
            "bind=relative:0",
        ),
        refused(
            "unknown-mode",
            "A mode that does not exist is refused.",
            || json!({"mode": "MPOL_TEA"}),
        ),
        refused(
            "unknown-flag",
            "A flag that does not exist is refused.",
            || json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_TEA"]}),
        ),
        refused("mode-required", "A policy without a mode is refused.", || json!({"nodes": "0"})),
        refused(
            "missing-node",
            "A node that the machine lacks makes an error.",
            || json!({"mode": "MPOL_BIND", "nodes": "900"}),
        ),
        refused(
            "bad-nodes",
            "A list of nodes that is none is refused.",
            || json!({"mode": "MPOL_BIND", "nodes": "all"}),
        ),
    ];
    let needs = |case: Case| case.since(3).needs(Need::Path("/proc/self/numa_maps"));
    Section::new("config-linux.md", "Memory policy", cases.into_iter().map(needs).collect())
}
