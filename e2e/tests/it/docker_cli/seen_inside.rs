//! What a container sees of the flags that it was made with, beside one of Docker's.

use super::beside_dockerd::{Alike, compare};

const LINK: &str = "ip -o link | sed 's/@[^:]*//' | cut -d' ' -f2,4-5; ip route; ip -o addr show dev eth0 | grep -v fe80 | awk '{print $2, $3, $4}'";

/// Flags, and what is asked inside. In all of them the host name is `box`.
const SEEN: &[(&[&str], &str)] = &[
    (&[], "env | sort; umask; pwd; id; cat /etc/hostname"),
    (&[], "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status"),
    (&[], "ls -l /dev | sed 's/, */,/' | awk '{print $1, $3, $4, $5, $NF}' | grep -v '^l.*ptmx'"),
    (&[], "ls -ld /dev/shm /dev/mqueue /dev/pts /proc /sys /tmp | awk '{print $1, $3, $4, $NF}'"),
    (
        &[],
        "awk '$2 ~ \"^/(dev|sys/fs|etc)\" {print $2, $3, $4}' /proc/mounts | sed 's/lowerdir.*//; s/ext4.*//'",
    ),
    (&[], "ulimit -a | grep -v -e processes -e 'open files' -e pending"),
    (&["--privileged"], "grep Seccomp: /proc/self/status; grep -c ' /proc/' /proc/mounts"),
    (
        &["--privileged"],
        "cat /sys/fs/cgroup/devices/devices.list; awk '$2 == \"/sys\" {print $4}' /proc/mounts",
    ),
    (&["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"], "grep Cap /proc/self/status"),
    (&["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status"),
    (&["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status"),
    (&["--ulimit", "nofile=100:200", "--ulimit", "core=0"], "ulimit -n; ulimit -Hn; ulimit -c"),
    (&["--tmpfs", "/t:size=1m,mode=1770,uid=5"], "grep ' /t ' /proc/mounts; stat -c '%a %u %g' /t"),
    (
        &["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700"],
        "grep ' /t ' /proc/mounts; stat -c %a /t",
    ),
    (&["--tmpfs", "/run"], "grep ' /run ' /proc/mounts"),
    (&["--shm-size", "32m"], "grep ' /dev/shm ' /proc/mounts"),
    (
        &["--read-only"],
        "touch /x 2>&1; touch /dev/shm/x /etc/hosts; awk '$2 == \"/\" {print $4}' /proc/mounts | cut -d, -f1",
    ),
    (
        &["--device", "/dev/zero:/dev/mine:r"],
        "ls -l /dev/mine | awk '{print $1, $5, $6}'; head -c 1 /dev/mine | wc -c; echo x >/dev/mine",
    ),
    (&["--device-cgroup-rule", "c 42:* rmw"], "sort /sys/fs/cgroup/devices/devices.list"),
    (&[], "sort /sys/fs/cgroup/devices/devices.list"),
    (&["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward"),
    (&[], "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range"),
    (&["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj"),
    (&["--domainname", "lan"], "hostname; cat /proc/sys/kernel/domainname /etc/hostname"),
    (
        &["--cpuset-cpus", "0", "--cpuset-mems", "0"],
        "grep allowed_list /proc/self/status; cat /sys/fs/cgroup/cpuset/cpuset.cpus",
    ),
    (
        &["--cpus", "0.5"],
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us",
    ),
    (
        &["--cpu-shares", "300", "--cpu-period", "50000", "--cpu-quota", "20000"],
        "cd /sys/fs/cgroup/cpu && cat cpu.shares cpu.cfs_period_us cpu.cfs_quota_us",
    ),
    (
        &["-m", "64m", "--memory-reservation", "32m"],
        "cd /sys/fs/cgroup/memory && cat memory.limit_in_bytes memory.soft_limit_in_bytes memory.memsw.limit_in_bytes",
    ),
    (
        &["-m", "64m", "--memory-swap", "-1", "--memory-swappiness", "10"],
        "cd /sys/fs/cgroup/memory && cat memory.limit_in_bytes memory.memsw.limit_in_bytes memory.swappiness",
    ),
    (
        &["-m", "64m", "--oom-kill-disable"],
        "grep oom_kill_disable /sys/fs/cgroup/memory/memory.oom_control",
    ),
    (&["--pids-limit", "33"], "cat /sys/fs/cgroup/pids/pids.max"),
    (&["--pids-limit", "-1"], "cat /sys/fs/cgroup/pids/pids.max"),
    (&["--cgroupns", "private"], "cut -d: -f2,3 /proc/self/cgroup | sort"),
    (&["-e", "A=1", "-e", "PATH=/bin", "-e", "NOT_THERE", "-e", "E="], "env | sort"),
    (&["-w", "/not/there"], "pwd; stat -c '%u %g %a' /not /not/there"),
    (&["-u", "1000:50", "-w", "/not/there"], "id; pwd; stat -c '%u %g %a' /not/there; env | sort"),
    (&["-u", "app", "--group-add", "7", "--group-add", "root"], "id; env | grep HOME"),
    (&["-u", "4242"], "id; env | grep HOME"),
    (
        &["-v", "/etc:/x:ro"],
        "awk '$5 == \"/x\" {print $4, $6}' /proc/self/mountinfo; touch /x/y 2>&1",
    ),
    (&["-v", "/x"], "touch /x/y; stat -c '%a %u %g' /x"),
    (&["-v", "/etc:/x:z"], "test -e /x/passwd"),
    (&["-v", "/etc/passwd:/p:ro"], "awk '$5 == \"/p\" {print $4, $6}' /proc/self/mountinfo"),
    (&["--mount", "type=bind,src=/none-such,dst=/x"], "true"),
    (&["--add-host", "a:1.2.3.4", "--add-host", "b:::1"], "grep -e a$ -e b$ /etc/hosts"),
    (&[], "grep -c box /etc/hosts"),
    (&["--add-host", "a:1.2.3.4", "--domainname", "lan"], "sed 1,6d /etc/hosts"),
    (&["--network", "host", "--add-host", "a:1.2.3.4"], "sed 1,6d /etc/hosts"),
    (&["--network", "bridge", "-h", "box.lan"], "grep -o 'box.*' /etc/hosts"),
    (
        &["--security-opt", "systempaths=unconfined"],
        "cut -d' ' -f2 /proc/mounts | grep -e ^/proc/ -e ^/sys/firm",
    ),
    (
        &["-t"],
        "tty; ls -l /dev/console /dev/pts | awk '{print $1, $3, $4}'; grep -c console /proc/mounts",
    ),
    (&["--entrypoint", ""], "echo none"),
    (&["--ipc", "host"], "grep -c . /proc/sysvipc/shm"),
    (&["--ipc", "none"], "ls /dev | grep -c shm"),
    (&["--log-driver", "none"], "echo heard all the same"),
    (&["--runtime", "runc"], "echo the name that everybody knows"),
    (&["--network", "bridge"], LINK),
    (
        &["--network", "bridge"],
        "grep box /etc/hosts; cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6",
    ),
    (&["--network", "bridge", "--ip", "172.17.0.9"], "true"),
    (
        &["--network", "bridge", "--mac-address", "02:42:00:00:00:09"],
        "cat /sys/class/net/eth0/address",
    ),
    (
        &["--network", "bridge", "--dns", "1.1.1.1", "--dns-search", "lan", "--dns-opt", "ndots:2"],
        "grep -v '^#' /etc/resolv.conf | sort",
    ),
    (&["--network", "own", "--ip", "10.98.0.9", "--network-alias", "x"], LINK),
    (
        &["--network", "own", "--ip", "10.98.0.9"],
        "grep box /etc/hosts; grep -v '^#' /etc/resolv.conf; nslookup box | grep -A1 ^Name",
    ),
    (
        &["--network", "own", "--dns", "10.98.0.1", "--dns-search", "."],
        "grep -v '^#' /etc/resolv.conf | sort",
    ),
];

#[test]
fn every_flag_means_the_same() {
    let setup = ["network", "create", "--subnet", "10.98.0.0/24", "own"];
    let mut script: Vec<(Alike, Vec<&str>)> = vec![(Alike::Whole, setup.to_vec())];
    for (flags, asked) in SEEN {
        let named = flags.contains(&"--network");
        let network: &[&str] = if named { &[] } else { &["--network", "none"] };
        let tail = ["busybox", "sh", "-c", asked];
        let words = [&["run", "--rm", "-h", "box"], network, flags, &tail].concat();
        script.push((Alike::Output, words));
    }
    let script: Vec<(Alike, &[&str])> =
        script.iter().map(|(alike, words)| (*alike, &words[..])).collect();
    compare(&script);
}
