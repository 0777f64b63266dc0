//! Names of kernel parameters in `linux.sysctl`: how they are read, and which namespace keeps one apart from the host's.

use super::NamespaceKind;

/// Parameters of the IPC namespace, besides everything below `fs/mqueue/`.
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// The parameter's path below `/proc/sys`; `None` when the text is not the name of one.
///
/// As sysctl(8) reads names: the first separator decides; in a dotted name a slash stands for a dot
/// (`net.ipv4.conf.eth0/1.x`).
pub fn sysctl_path(name: &str) -> Option<String> {
    let is_path = name.find(['.', '/']).is_some_and(|first| name[first..].starts_with('/'));
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path = if is_path { name.to_owned() } else { name.chars().map(swap).collect() };
    let is_step = |part| matches!(part, "" | "." | "..");
    if path.split('/').any(is_step) { None } else { Some(path) }
}

/// The namespace that a parameter belongs to, by its path below `/proc/sys`; `None` when the whole host shares it.
pub fn sysctl_namespace(path: &str) -> Option<NamespaceKind> {
    if IPC.contains(&path) || path.starts_with("fs/mqueue/") {
        Some(NamespaceKind::Ipc)
    } else if path.starts_with("net/") {
        Some(NamespaceKind::Network)
    } else if matches!(path, "kernel/domainname" | "kernel/hostname") {
        Some(NamespaceKind::Uts)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sysctl_reads_them() {
        let cases = [
            ("kernel.shmmax", Some("kernel/shmmax")),
            ("kernel/shmmax", Some("kernel/shmmax")),
            ("net.ipv4.conf.eth0/1.forwarding", Some("net/ipv4/conf/eth0.1/forwarding")),
            ("net/ipv4/conf/eth0.1/forwarding", Some("net/ipv4/conf/eth0.1/forwarding")),
            ("", None),
            ("net/../kernel/core_pattern", None),
            ("net..x", None),
        ];
        for (name, path) in cases {
            assert_eq!(sysctl_path(name).as_deref(), path, "{name}");
        }
    }

    #[test]
    fn only_namespaced_parameters_have_a_namespace() {
        let cases = [
            ("kernel/sem", Some(NamespaceKind::Ipc)),
            ("fs/mqueue/msg_max", Some(NamespaceKind::Ipc)),
            ("net/core/somaxconn", Some(NamespaceKind::Network)),
            ("kernel/domainname", Some(NamespaceKind::Uts)),
            ("kernel/core_pattern", None),
            ("vm/swappiness", None),
        ];
        for (path, namespace) in cases {
            assert_eq!(sysctl_namespace(path), namespace, "{path}");
        }
    }
}
