//! The text of the default profile: a second wall behind the namespaces, the masked paths and the capabilities, for what a
//! process finds when one of those has a hole.

use std::fmt::Write;

/// Programs that send signals to a container's processes and may have a profile of their own.
const SENDERS: [&str; 4] = ["unconfined", "gantry-shim", "runc", "crun"];

/// Below `/proc` nothing but processes' own files may be written, and what an IPC namespace has to itself.
const PROC_KEPT: &str = "sys/kernel/shm";
/// Below `/sys` nothing but cgroups, which are the container's own or read-only.
const SYS_KEPT: &str = "fs/cgroup";
/// Never even read.
const HIDDEN: [&str; 4] = [
    "/proc/kcore",
    "/sys/firmware/**",
    "/sys/devices/virtual/powercap/**",
    "/sys/kernel/security/**",
];

/// The profile in the language of `apparmor.d(5)`. It includes no file of the host's: those differ.
pub(super) fn text(name: &str) -> String {
    let mut text = format!("profile {name} flags=(attach_disconnected,mediate_deleted) {{\n");
    for rule in ["network", "capability", "file", "unix", "umount"] {
        line(&mut text, rule);
    }
    for sender in SENDERS {
        line(&mut text, &format!("signal (receive) peer={sender}"));
    }
    // Among themselves.
    line(&mut text, &format!("signal (send,receive) peer={name}"));
    line(&mut text, &format!("ptrace (trace,read,tracedby,readby) peer={name}"));
    line(&mut text, "deny mount");
    line(&mut text, "deny /proc/[^0-9]* wl");
    for glob in all_but("/proc/", PROC_KEPT, "0-9") {
        line(&mut text, &format!("deny {glob} wkl"));
    }
    for glob in all_but("/sys/", SYS_KEPT, "") {
        line(&mut text, &format!("deny {glob} wkl"));
    }
    for path in HIDDEN {
        line(&mut text, &format!("deny {path} rwkl"));
    }
    text.push_str("}\n");
    text
}

fn line(text: &mut String, rule: &str) {
    // Writing to a string cannot fail.
    writeln!(text, "  {rule},").unwrap_or_default();
}

/// Globs that together hold all below `base` but what begins with `kept`, or with one of the letters `spared`. The language has no
/// word for "other than", only for other letters: so there is one glob for each letter at which a path may part from `kept`.
fn all_but(base: &str, kept: &str, spared: &str) -> Vec<String> {
    let mut globs = Vec::new();
    for (at, letter) in kept.char_indices() {
        let before = &kept[..at];
        let spared = if at == 0 { spared } else { "" };
        // A slash parts as well, and the path may go on behind it.
        let others = if letter == '/' { "[^/]".to_owned() } else { format!("[^{spared}{letter}]") };
        globs.push(format!("{base}{before}{others}**"));
    }
    globs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_parts_from_the_kept_path_is_held() {
        assert_eq!(all_but("/p/", "s/k", "0-9"), ["/p/[^0-9s]**", "/p/s[^/]**", "/p/s/[^k]**"]);
    }

    #[test]
    fn the_text_is_one_profile_of_rules() {
        let text = text("mine");
        assert!(text.starts_with("profile mine flags=") && text.ends_with("}\n"));
        let mut rules = text.lines().skip(1).take_while(|line| *line != "}");
        assert!(rules.all(|rule| rule.starts_with("  ") && rule.ends_with(',')));
        assert!(text.contains("  signal (send,receive) peer=mine,\n"));
    }
}
