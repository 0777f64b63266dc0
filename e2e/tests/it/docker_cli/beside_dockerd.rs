//! Docker's command line asks our daemon and Docker's the same, word for word, and hears the same.

use gantry_testkit::{Daemon, Dockerd, NetworkHost, Options, Outcome, busybox};
use std::sync::Arc;

/// How alike two answers have to be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Alike {
    /// What is printed, what is complained about, and the exit code.
    Whole,
    /// What is printed and the exit code: the complaint has a runtime's words in it, or newer ones.
    Output,
    /// The exit code: the rest differs with the machine, or between versions of Docker.
    Code,
}
use Alike::{Code, Output, Whole};

const ROW: &str = "table {{.Names}}\t{{.Image}}\t{{.Command}}\t{{.State}}\t{{.Status}}\t{{.Ports}}\t{{.Networks}}\t{{.Mounts}}\t{{.Labels}}";

pub(super) const CONTAINERS: &[(Alike, &[&str])] = &[
    (
        Whole,
        &[
            "create",
            "--name",
            "one",
            "--network",
            "none",
            "-l",
            "a=b",
            "busybox",
            "sh",
            "-c",
            "echo out; echo err >&2; touch /made",
        ],
    ),
    (Whole, &["create", "--name", "one", "busybox"]),
    (Whole, &["ps"]),
    (Whole, &["ps", "-a", "--no-trunc", "--format", ROW]),
    (Whole, &["ps", "-aq", "--filter", "label=a=b"]),
    (Output, &["ps", "--filter", "colour=red"]),
    (Output, &["ps", "-a", "--filter", "status=sick"]),
    (Whole, &["start", "-a", "one"]),
    (Whole, &["ps", "-a", "--format", ROW]),
    (Whole, &["logs", "one"]),
    (Whole, &["logs", "--tail", "0", "one"]),
    (Whole, &["logs", "-t", "one"]),
    (Whole, &["logs", "--since", "sometime", "one"]),
    (Whole, &["diff", "one"]),
    (Whole, &["wait", "one"]),
    (Whole, &["port", "one"]),
    (Output, &["exec", "one", "true"]),
    (Output, &["top", "one"]),
    (Output, &["pause", "one"]),
    (Whole, &["unpause", "one"]),
    (Output, &["kill", "one"]),
    (Whole, &["stop", "one"]),
    (Whole, &["attach", "one"]),
    (Whole, &["rename", "one", "renamed"]),
    (Output, &["rename", "renamed", "not/a/name"]),
    (Whole, &["update", "--restart", "always", "renamed"]),
    (Output, &["update", "--restart", "sometimes", "renamed"]),
    (Whole, &["update", "--restart", "no", "renamed"]),
    (Whole, &["commit", "-a", "Ann", "-m", "words", "-c", "ENV A=b", "renamed", "committed:1"]),
    (
        Whole,
        &[
            "image",
            "inspect",
            "-f",
            "{{.Author}} {{.Comment}} {{json .Config.Env}} {{json .Config.Cmd}}",
            "committed:1",
        ],
    ),
    (
        Whole,
        &[
            "inspect",
            "-f",
            "{{.State.Status}} {{.State.ExitCode}} {{.Path}} {{json .Args}} {{.Driver}}{{json .Mounts}}",
            "renamed",
        ],
    ),
    (
        Whole,
        &[
            "inspect",
            "-f",
            "{{json .HostConfig.RestartPolicy}} {{json .HostConfig.CapAdd}} {{json .HostConfig.Binds}} {{json .HostConfig.PortBindings}} {{json .HostConfig.Dns}} {{.HostConfig.ShmSize}} {{.HostConfig.IpcMode}} {{.HostConfig.PidsLimit}}",
            "renamed",
        ],
    ),
    (Whole, &["inspect", "-f", "{{json .Config}}", "renamed"]),
    (Whole, &["inspect", "none-such"]),
    (Whole, &["container", "inspect", "none-such"]),
    (Whole, &["rm", "renamed"]),
    (Whole, &["rm", "renamed"]),
    (Whole, &["rm", "-f", "renamed"]),
    (
        Whole,
        &["run", "-d", "--name", "up", "--network", "none", "--init", "busybox", "sleep", "1000"],
    ),
    (Output, &["rm", "up"]),
    (Whole, &["exec", "up", "sh", "-c", "echo in; echo err >&2; exit 9"]),
    (
        Whole,
        &["exec", "-e", "A=1", "-w", "/tmp", "-u", "nobody", "up", "sh", "-c", "echo $A; pwd; id"],
    ),
    (Code, &["exec", "-u", "ghost", "up", "true"]),
    (Whole, &["pause", "up"]),
    (Whole, &["pause", "up"]),
    (Output, &["exec", "up", "true"]),
    (Whole, &["ps", "--format", ROW]),
    (Whole, &["unpause", "up"]),
    (Whole, &["unpause", "up"]),
    (Whole, &["update", "-m", "64m", "--memory-swap", "64m", "--cpus", "0.5", "up"]),
    (
        Whole,
        &[
            "inspect",
            "-f",
            "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}}",
            "up",
        ],
    ),
    (Whole, &["update", "-m", "1k", "up"]),
    (Code, &["stats", "--no-stream", "up"]),
    (Whole, &["stats", "--no-stream", "--format", "{{.Name}} {{.NetIO}}", "up"]),
    (Whole, &["kill", "-s", "NOSUCH", "up"]),
    (Whole, &["kill", "-s", "WINCH", "up"]),
    (Whole, &["restart", "-t", "0", "up"]),
    (Whole, &["stop", "-t", "0", "up", "none-such"]),
    (Whole, &["start", "up"]),
    (Whole, &["start", "none-such"]),
    (Whole, &["export", "none-such"]),
    (Whole, &["cp", "up:/none", "-"]),
    (Whole, &["cp", "up:/etc/passwd", "/nonexistent/place"]),
    (Whole, &["cp", "none-such:/etc/passwd", "-"]),
    (Whole, &["rm", "-f", "up", "none-such"]),
    (Whole, &["container", "prune", "-f"]),
    (Whole, &["run", "--rm", "--network", "none", "busybox", "sh", "-c", "exit 42"]),
    (Output, &["run", "--rm", "--network", "none", "busybox", "nope"]),
    (Output, &["run", "--rm", "--network", "none", "busybox", "/etc"]),
    (Output, &["run", "--rm", "--network", "none", "-w", "relative", "busybox", "true"]),
    (Whole, &["run", "--rm", "--network", "none", "-v", "relative/path:/x", "busybox", "true"]),
    (Whole, &["run", "--rm", "--network", "none", "-v", "/a:/b:nonsense", "busybox", "true"]),
    (Whole, &["run", "--rm", "--network", "none", "-m", "1m", "busybox", "true"]),
    (Output, &["run", "--rm", "--network", "none", "--cpus", "9999", "busybox", "true"]),
    (Whole, &["run", "--rm", "--network", "none", "--restart", "always", "busybox", "true"]),
    (Output, &["run", "--rm", "--network", "none-such", "busybox", "true"]),
    (Output, &["run", "--rm", "--network", "container:none-such", "busybox", "true"]),
    (
        Whole,
        &["run", "--rm", "--volumes-from", "none-such", "--network", "none", "busybox", "true"],
    ),
    (Whole, &["run", "--rm", "--network", "host", "-h", "boxed", "busybox", "hostname"]),
    (Output, &["run", "--rm", "--network", "none", "--log-driver", "none-such", "busybox", "true"]),
    (
        Whole,
        &[
            "run",
            "--rm",
            "--network",
            "none",
            "--log-driver",
            "json-file",
            "--log-opt",
            "colour=red",
            "busybox",
            "true",
        ],
    ),
    (Whole, &["run", "--rm", "--network", "none", "--cap-add", "NO_SUCH", "busybox", "true"]),
    (
        Whole,
        &["run", "--rm", "--network", "none", "--security-opt", "colour=red", "busybox", "true"],
    ),
    (Output, &["run", "--rm", "--network", "none", "--ipc", "nonsense", "busybox", "true"]),
    (
        Output,
        &["run", "--rm", "--network", "none", "--pid", "container:none-such", "busybox", "true"],
    ),
    (Output, &["run", "--rm", "--network", "none", "--runtime", "none-such", "busybox", "true"]),
    (Whole, &["run", "--rm", "--network", "none", "busybox", "id"]),
    (Whole, &["run", "--rm", "--network", "none", "-u", "app", "busybox", "id"]),
    (
        Whole,
        &["run", "--rm", "--network", "none", "-u", "1000:50", "--group-add", "7", "busybox", "id"],
    ),
    (Whole, &["ps", "-a"]),
];

pub(super) const REST: &[(Alike, &[&str])] = &[
    (Whole, &["volume", "create", "--label", "a=b", "one"]),
    (Output, &["volume", "create", "--driver", "none-such", "two"]),
    (Whole, &["volume", "create", "a/b"]),
    (Whole, &["volume", "ls"]),
    (Whole, &["volume", "ls", "-q", "--filter", "label=a"]),
    (Whole, &["volume", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}}"]),
    (Output, &["volume", "ls", "--filter", "colour=red"]),
    (
        Whole,
        &[
            "volume",
            "inspect",
            "-f",
            "{{.Name}} {{.Driver}} {{.Scope}} {{json .Labels}} {{json .Options}}",
            "one",
            "none-such",
        ],
    ),
    (
        Whole,
        &[
            "run",
            "--name",
            "user",
            "--network",
            "none",
            "-v",
            "one:/data",
            "busybox",
            "touch",
            "/data/file",
        ],
    ),
    (Whole, &["volume", "rm", "one"]),
    (Whole, &["rm", "-v", "user"]),
    (Whole, &["volume", "rm", "one", "none-such"]),
    (Whole, &["volume", "rm", "-f", "none-such"]),
    (Whole, &["volume", "prune", "-f"]),
    (Whole, &["network", "create", "--subnet", "10.99.0.0/24", "--label", "a=b", "one"]),
    (Whole, &["network", "create", "one"]),
    (Output, &["network", "create", "--subnet", "nonsense", "two"]),
    (Output, &["network", "create", "--subnet", "10.99.0.0/24", "two"]),
    (Output, &["network", "create", "--driver", "none-such", "two"]),
    (
        Whole,
        &[
            "network",
            "ls",
            "--format",
            "{{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.Labels}}",
        ],
    ),
    (
        Whole,
        &[
            "network",
            "inspect",
            "-f",
            "{{range .IPAM.Config}}{{.Subnet}}{{end}} {{.Attachable}} {{.Ingress}} {{json .Options}} {{json .Labels}} {{json .Containers}} {{json .ConfigFrom}}",
            "one",
        ],
    ),
    (
        Whole,
        &[
            "run",
            "-d",
            "--name",
            "box",
            "--init",
            "--network",
            "one",
            "--ip",
            "10.99.0.9",
            "--network-alias",
            "other",
            "-p",
            "8080:80",
            "-p",
            "127.0.0.1:5353:53/udp",
            "busybox",
            "sleep",
            "1000",
        ],
    ),
    (Whole, &["ps", "--format", ROW]),
    (Whole, &["port", "box"]),
    (Whole, &["port", "box", "80/tcp"]),
    (Whole, &["port", "box", "81"]),
    (
        Whole,
        &[
            "inspect",
            "-f",
            "{{json .NetworkSettings.Ports}} {{json .HostConfig.PortBindings}} {{json .Config.ExposedPorts}}",
            "box",
        ],
    ),
    (
        Whole,
        &[
            "inspect",
            "-f",
            "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.Gateway}} {{.IPPrefixLen}} {{json .IPAMConfig}} {{json .Links}} {{.GlobalIPv6Address}}{{end}}",
            "box",
        ],
    ),
    (
        Whole,
        &[
            "network",
            "inspect",
            "-f",
            "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}",
            "one",
        ],
    ),
    (Output, &["run", "--rm", "-p", "8080:80", "--network", "one", "busybox", "true"]),
    (Output, &["network", "rm", "one"]),
    (Output, &["network", "disconnect", "one", "box"]),
    (Output, &["network", "disconnect", "one", "box"]),
    (Output, &["network", "connect", "--ip", "10.1.1.1", "one", "box"]),
    (Whole, &["network", "connect", "one", "none-such"]),
    (Whole, &["network", "connect", "one", "box"]),
    (Whole, &["rm", "-f", "box"]),
    (Whole, &["network", "rm", "bridge"]),
    (Whole, &["network", "prune", "-f"]),
    (Whole, &["images", "busybox", "--format", "{{.Repository}} {{.Tag}} {{.ID}} {{.Digest}}"]),
    (Whole, &["images", "-q", "--no-trunc", "busybox"]),
    (Whole, &["tag", "busybox", "other:1"]),
    (Whole, &["tag", "none-such", "other:2"]),
    (Whole, &["history", "--format", "{{.CreatedBy}} {{.Size}} {{.Comment}}", "busybox"]),
    (
        Whole,
        &[
            "image",
            "inspect",
            "-f",
            "{{.Id}} {{json .RepoTags}} {{json .Config}} {{.Architecture}} {{.Os}} {{json .RootFS}}",
            "busybox",
        ],
    ),
    (Output, &["image", "inspect", "none-such"]),
    (Output, &["save", "none-such"]),
    (Whole, &["rmi", "other:1"]),
    (Whole, &["rmi", "none-such"]),
    (Whole, &["image", "prune", "-f"]),
    (Output, &["pull", "127.0.0.1:1/none:1"]),
    (Code, &["push", "127.0.0.1:1/none:1"]),
    (Output, &["search", "--limit", "1", "127.0.0.1:1/none"]),
    (Output, &["login", "-u", "a", "-p", "b", "127.0.0.1:1"]),
    (Code, &["system", "df"]),
    (Code, &["info"]),
    (Code, &["version"]),
    (
        Whole,
        &[
            "info",
            "--format",
            "{{.Containers}} {{.ContainersRunning}} {{.OSType}} {{.Architecture}} {{.Swarm.LocalNodeState}} {{.CgroupDriver}} {{.CgroupVersion}}",
        ],
    ),
    (
        Whole,
        &[
            "events",
            "--since",
            "1h",
            "--until",
            "0s",
            "--filter",
            "container=box",
            "--filter",
            "type=container",
            "--format",
            "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.image}}",
        ],
    ),
    (Whole, &["events", "--since", "sometime"]),
    (Whole, &["system", "prune", "-f"]),
    (Whole, &["swarm", "ca"]),
    (Whole, &["node", "ls"]),
    (Whole, &["service", "ls"]),
    (Whole, &["secret", "ls"]),
    (Whole, &["config", "ls"]),
    (Whole, &["swarm", "leave"]),
];

/// What differs between two runs of the same daemon: ids, moments, spans.
fn normal(text: &str) -> String {
    let text =
        text.replace("Less than a second", "0 seconds").replace("About a minute", "60 seconds");
    let words = text.split_inclusive(|character: char| !character.is_ascii_alphanumeric());
    let mut out = String::new();
    for word in words {
        let bare = word.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
        let rest = word.get(bare.len()..).unwrap_or_default();
        let hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let named =
            matches!(bare.len(), 12 | 64) && hex && bare.bytes().any(|it| it.is_ascii_digit());
        out.push_str(if named { "ID" } else { bare });
        out.push_str(rest);
    }
    let spans = ["seconds", "second", "minutes", "minute", "milliseconds"];
    let words: Vec<&str> = out.split_inclusive([' ', '\n']).collect();
    let span = |at: usize| words.get(at).is_some_and(|word| spans.contains(&word.trim()));
    let mut text = String::new();
    for (at, word) in words.iter().enumerate() {
        let moment = word.len() > 20
            && word.get(4..5) == Some("-")
            && word.contains('T')
            && word.contains('Z');
        if moment {
            text.push_str("MOMENT ");
        } else if !span(at + 1) && !span(at) {
            text.push_str(word);
        }
    }
    // Tables are as wide as their words.
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

fn difference(alike: Alike, ours: &Outcome, theirs: &Outcome) -> Option<String> {
    let same_words = normal(&ours.stdout) == normal(&theirs.stdout);
    let same_complaints = normal(&ours.stderr) == normal(&theirs.stderr);
    let same = ours.code == theirs.code
        && (alike == Code || same_words)
        && (alike != Whole || same_complaints);
    (!same).then(|| format!("ours: {ours}\ntheirs: {theirs}"))
}

#[track_caller]
pub(super) fn compare(script: &[(Alike, &[&str])]) {
    let theirs = Dockerd::start();
    let network = Some(Arc::new(NetworkHost::new()));
    let ours = Daemon::start_with(Options { network, ..Options::default() });
    ours.load(&busybox());
    // What Docker's daemon of Debian speaks.
    let version = ("DOCKER_API_VERSION", "1.41");
    let differences: Vec<String> = script
        .iter()
        .filter_map(|(alike, words)| {
            let theirs = theirs.docker(words).env(version.0, version.1).run();
            let ours = ours.docker(words).env(version.0, version.1).run();
            difference(*alike, &ours, &theirs)
        })
        .collect();
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
fn containers() {
    compare(CONTAINERS);
}

#[test]
fn volumes_networks_images_and_the_system() {
    compare(REST);
}
