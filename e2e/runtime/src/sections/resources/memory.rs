//! config-linux.md, "Memory".

use serde_json::json;

use super::limit;
use crate::case::{Case, Section, must};
use crate::machine::Need;

const MIB_64: &str = "67108864";

pub(in crate::sections) fn section() -> Section {
    let mut cases = files();
    cases.extend(effects());
    Section::new("config-linux.md", "Memory", cases)
}

fn files() -> Vec<Case> {
    vec![
        limit(
            "limit",
            "limit is the most memory.",
            || json!({"memory": {"limit": 67_108_864}}),
            Some(("memory.limit_in_bytes", MIB_64)),
            Some(("memory.max", MIB_64)),
        ),
        limit(
            "limit-unlimited",
            "A limit of -1 is none.",
            || json!({"memory": {"limit": -1}}),
            Some(("memory.limit_in_bytes", "9223372036854771712")),
            Some(("memory.max", "max")),
        ),
        limit(
            "reservation",
            "reservation is the soft limit.",
            || json!({"memory": {"reservation": 33_554_432}}),
            Some(("memory.soft_limit_in_bytes", "33554432")),
            Some(("memory.low", "33554432")),
        ),
        limit(
            "swap",
            "swap is the most memory and swap together.",
            || json!({"memory": {"limit": 67_108_864, "swap": 100_663_296}}),
            Some(("memory.memsw.limit_in_bytes", "100663296")),
            Some(("memory.swap.max", "33554432")),
        ),
        limit(
            "swap-none",
            "swap as large as limit leaves no swap.",
            || json!({"memory": {"limit": 67_108_864, "swap": 67_108_864}}),
            Some(("memory.memsw.limit_in_bytes", MIB_64)),
            Some(("memory.swap.max", "0")),
        ),
        limit(
            "swap-unlimited",
            "A swap of -1 is no limit.",
            || json!({"memory": {"limit": 67_108_864, "swap": -1}}),
            Some(("memory.memsw.limit_in_bytes", "9223372036854771712")),
            Some(("memory.swap.max", "max")),
        ),
        limit(
            "kernel-tcp",
            "kernelTCP limits the buffers of TCP.",
            || json!({"memory": {"kernelTCP": 33_554_432}}),
            Some(("memory.kmem.tcp.limit_in_bytes", "33554432")),
            None,
        ),
        limit(
            "swappiness",
            "swappiness is that of the cgroup.",
            || json!({"memory": {"swappiness": 17}}),
            Some(("memory.swappiness", "17")),
            None,
        ),
        limit(
            "swappiness-zero",
            "A swappiness of 0 is one, too.",
            || json!({"memory": {"swappiness": 0}}),
            Some(("memory.swappiness", "0")),
            None,
        ),
    ]
}

fn effects() -> Vec<Case> {
    vec![
        must("enforced", "A process that wants more than the limit is ended.", |stage| {
            let limits = json!({"memory": {"limit": 16_777_216, "swap": 16_777_216}});
            stage.set("/linux/resources", limits).args(&["tail", "/dev/zero"]);
            stage.run().exits(137);
        }),
        must("enough", "A process within the limit is not disturbed.", |stage| {
            stage.set("/linux/resources", json!({"memory": {"limit": 67_108_864}}));
            assert_eq!(stage.sh("head -c 8000000 /dev/zero | wc -c"), "8000000");
        }),
        must("oom-killer-off", "disableOOMKiller turns the killer off.", |stage| {
            stage.set(
                "/linux/resources",
                json!({"memory": {"limit": 67_108_864, "disableOOMKiller": true}}),
            );
            stage.create();
            let control = stage.cgroup_file("memory.oom_control");
            assert!(control.contains("oom_kill_disable 1"), "{control}");
        })
        .needs(Need::CgroupV1),
        must("oom-killer-on", "Without it, the killer is on.", |stage| {
            stage.set(
                "/linux/resources",
                json!({"memory": {"limit": 67_108_864, "disableOOMKiller": false}}),
            );
            stage.create();
            let control = stage.cgroup_file("memory.oom_control");
            assert!(control.contains("oom_kill_disable 0"), "{control}");
        })
        .needs(Need::CgroupV1),
        must("swap-below-limit", "A swap below the limit makes an error.", |stage| {
            let limits = json!({"memory": {"limit": 67_108_864, "swap": 33_554_432}});
            stage.set("/linux/resources", limits).refused();
        }),
        must("swappiness-range", "A swappiness above 100 is refused.", |stage| {
            stage.set("/linux/resources", json!({"memory": {"swappiness": 300}})).refused();
        })
        .needs(Need::CgroupV1),
        must("seen-inside", "The process sees its limit in its own cgroup.", |stage| {
            stage.set("/linux/resources", json!({"memory": {"limit": 67_108_864}}));
            stage.mount("cgroup", "cgroup", "/sys/fs/cgroup", &["ro"]);
            let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max";
            assert_eq!(stage.sh(script), MIB_64);
        }),
    ]
}
