//! Docker's flags of `run`, one by one: each is there, and what it says reaches the request.

use super::*;

/// Every flag of docker 28 that makes a difference to the request: a value that is not the default, and the place where
/// it arrives. Switches have no value.
const FLAGS: &[(&str, &str, &str)] = &[
    ("add-host", "a:1.2.3.4", "/HostConfig/ExtraHosts/0"),
    ("annotation", "a=b", "/HostConfig/Annotations/a"),
    ("attach", "stdin", "/AttachStdin"),
    ("blkio-weight", "300", "/HostConfig/BlkioWeight"),
    ("blkio-weight-device", "/dev/x:300", "/HostConfig/BlkioWeightDevice/0"),
    ("cap-add", "NET_ADMIN", "/HostConfig/CapAdd/0"),
    ("cap-drop", "ALL", "/HostConfig/CapDrop/0"),
    ("cgroup-parent", "/x", "/HostConfig/CgroupParent"),
    ("cgroupns", "host", "/HostConfig/CgroupnsMode"),
    ("cpu-count", "1", "/HostConfig/CpuCount"),
    ("cpu-percent", "1", "/HostConfig/CpuPercent"),
    ("cpu-period", "1000", "/HostConfig/CpuPeriod"),
    ("cpu-quota", "1000", "/HostConfig/CpuQuota"),
    ("cpu-rt-period", "1000", "/HostConfig/CpuRealtimePeriod"),
    ("cpu-rt-runtime", "1000", "/HostConfig/CpuRealtimeRuntime"),
    ("cpu-shares", "9", "/HostConfig/CpuShares"),
    ("cpus", "1", "/HostConfig/NanoCpus"),
    ("cpuset-cpus", "0", "/HostConfig/CpusetCpus"),
    ("cpuset-mems", "0", "/HostConfig/CpusetMems"),
    ("device", "/dev/x", "/HostConfig/Devices/0"),
    ("device", "vendor.com/class=x", "/HostConfig/DeviceRequests/0"),
    ("device-cgroup-rule", "c 1:3 r", "/HostConfig/DeviceCgroupRules/0"),
    ("device-read-bps", "/dev/x:1mb", "/HostConfig/BlkioDeviceReadBps/0"),
    ("device-read-iops", "/dev/x:9", "/HostConfig/BlkioDeviceReadIOps/0"),
    ("device-write-bps", "/dev/x:1mb", "/HostConfig/BlkioDeviceWriteBps/0"),
    ("device-write-iops", "/dev/x:9", "/HostConfig/BlkioDeviceWriteIOps/0"),
    ("dns", "1.2.3.4", "/HostConfig/Dns/0"),
    ("dns-opt", "debug", "/HostConfig/DnsOptions/0"),
    ("dns-option", "debug", "/HostConfig/DnsOptions/0"),
    ("dns-search", "lan", "/HostConfig/DnsSearch/0"),
    ("domainname", "x", "/Domainname"),
    ("entrypoint", "x", "/Entrypoint/0"),
    ("env", "A=1", "/Env/0"),
    ("expose", "80", "/ExposedPorts"),
    ("gpus", "all", "/HostConfig/DeviceRequests/0"),
    ("group-add", "x", "/HostConfig/GroupAdd/0"),
    ("health-cmd", "x", "/Healthcheck/Test"),
    ("health-interval", "1s", "/Healthcheck/Interval"),
    ("health-retries", "1", "/Healthcheck/Retries"),
    ("health-start-interval", "1s", "/Healthcheck/StartInterval"),
    ("health-start-period", "1s", "/Healthcheck/StartPeriod"),
    ("health-timeout", "1s", "/Healthcheck/Timeout"),
    ("hostname", "x", "/Hostname"),
    ("init", "", "/HostConfig/Init"),
    ("interactive", "", "/OpenStdin"),
    ("io-maxbandwidth", "1m", "/HostConfig/IOMaximumBandwidth"),
    ("io-maxiops", "1", "/HostConfig/IOMaximumIOps"),
    ("ip", "172.30.0.9", "/NetworkingConfig/EndpointsConfig/default/IPAMConfig/IPv4Address"),
    ("ip6", "2001:db8::9", "/NetworkingConfig/EndpointsConfig/default/IPAMConfig/IPv6Address"),
    ("ipc", "host", "/HostConfig/IpcMode"),
    ("isolation", "default", "/HostConfig/Isolation"),
    ("kernel-memory", "64m", "/HostConfig/KernelMemory"),
    ("label", "a=b", "/Labels/a"),
    ("link", "x", "/HostConfig/Links/0"),
    ("link-local-ip", "169.254.9.9", "/NetworkingConfig/EndpointsConfig/default/IPAMConfig"),
    ("log-driver", "none", "/HostConfig/LogConfig/Type"),
    ("log-opt", "max-size=1m", "/HostConfig/LogConfig/Config/max-size"),
    ("mac-address", "02:42:ac:11:00:09", "/NetworkingConfig/EndpointsConfig/default/MacAddress"),
    ("memory", "64m", "/HostConfig/Memory"),
    ("memory-reservation", "64m", "/HostConfig/MemoryReservation"),
    ("memory-swap", "64m", "/HostConfig/MemorySwap"),
    ("memory-swappiness", "9", "/HostConfig/MemorySwappiness"),
    ("mount", "type=tmpfs,target=/x", "/HostConfig/Mounts/0"),
    ("net", "none", "/HostConfig/NetworkMode"),
    ("net-alias", "x", "/NetworkingConfig/EndpointsConfig/default/Aliases/0"),
    ("network", "none", "/HostConfig/NetworkMode"),
    ("network-alias", "x", "/NetworkingConfig/EndpointsConfig/default/Aliases/0"),
    ("no-healthcheck", "", "/Healthcheck/Test"),
    ("oom-kill-disable", "", "/HostConfig/OomKillDisable"),
    ("oom-score-adj", "9", "/HostConfig/OomScoreAdj"),
    ("pid", "host", "/HostConfig/PidMode"),
    ("pids-limit", "9", "/HostConfig/PidsLimit"),
    ("privileged", "", "/HostConfig/Privileged"),
    ("publish", "80:80", "/HostConfig/PortBindings"),
    ("publish-all", "", "/HostConfig/PublishAllPorts"),
    ("read-only", "", "/HostConfig/ReadonlyRootfs"),
    ("restart", "always", "/HostConfig/RestartPolicy/Name"),
    ("rm", "", "/HostConfig/AutoRemove"),
    ("runtime", "x", "/HostConfig/Runtime"),
    ("security-opt", "no-new-privileges", "/HostConfig/SecurityOpt/0"),
    ("security-opt", "systempaths=unconfined", "/HostConfig/MaskedPaths"),
    ("shm-size", "1m", "/HostConfig/ShmSize"),
    ("stop-signal", "INT", "/StopSignal"),
    ("stop-timeout", "9", "/StopTimeout"),
    ("storage-opt", "size=1g", "/HostConfig/StorageOpt/size"),
    ("sysctl", "net.ipv4.ip_forward=1", "/HostConfig/Sysctls/net.ipv4.ip_forward"),
    ("tmpfs", "/x", "/HostConfig/Tmpfs/~1x"),
    ("tty", "", "/Tty"),
    ("ulimit", "core=1", "/HostConfig/Ulimits/0"),
    ("user", "x", "/User"),
    ("userns", "host", "/HostConfig/UsernsMode"),
    ("uts", "host", "/HostConfig/UTSMode"),
    ("volume", "/a:/b", "/HostConfig/Binds/0"),
    ("volume-driver", "x", "/HostConfig/VolumeDriver"),
    ("volumes-from", "x", "/HostConfig/VolumesFrom/0"),
    ("workdir", "/x", "/WorkingDir"),
];

/// Flags that say what the command line does.
const OWN: [&str; 12] = [
    "cidfile",
    "detach",
    "detach-keys",
    "disable-content-trust",
    "env-file",
    "help",
    "label-file",
    "name",
    "platform",
    "pull",
    "quiet",
    "sig-proxy",
];

/// An experiment of docker's, which hands the daemon's socket and the user's credentials to the container.
const NOT_OURS: &str = "use-api-socket";

#[test]
fn each_reaches_the_request() {
    let nothing = request(&["busybox"]);
    for (flag, value, place) in FLAGS {
        let word = match *value {
            "" => format!("--{flag}"),
            value => format!("--{flag}={value}"),
        };
        let request = request(&[&word, "busybox"]);
        let found = request.pointer(place);
        assert!(found.is_some_and(|found| !found.is_null()), "{word}: nothing at {place}");
        assert_ne!(found, nothing.pointer(place), "{word}");
    }
}

/// Docker's own help, where there is a docker: no flag of its was forgotten above, and none of the others is missing.
#[test]
fn none_of_dockers_is_missing() {
    let Ok(help) = std::process::Command::new("docker").args(["run", "--help"]).output() else {
        return;
    };
    let help = String::from_utf8_lossy(&help.stdout);
    let flags = help.lines().filter_map(|line| {
        let (_, rest) = line.split_once("--").filter(|(before, _)| before.len() <= 6)?;
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()
    });
    let mut count = 0;
    for flag in flags {
        let is_known = flag == NOT_OURS
            || OWN.contains(&flag)
            || FLAGS.iter().any(|(known, ..)| *known == flag);
        assert!(is_known, "docker has --{flag}");
        count += 1;
    }
    assert!(count == 0 || count > 80, "only {count} flags in docker's help");
}
