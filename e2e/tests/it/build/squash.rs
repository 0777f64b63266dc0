//! `--squash`: one layer above the base, with the same files.

use gantry_testkit::Daemon;
use serde_json::Value;

use super::{build, context, run};

/// Files that come and go in every way that layers have.
const DOCKERFILE: &str = "FROM base\n\
    RUN echo new > /new && rm /gone && rm -r /folder && mkdir /folder && echo again > /folder/b\n\
    RUN echo more >> /changed && mkdir -p /deep/er && ln /new /linked && ln -s new /soft && chmod 4755 /kept\n\
    RUN rm -r /deep && rm -r /becomes && echo file > /becomes && echo big > /secret\n\
    RUN rm /secret && mv /moved /elsewhere && rm /was && mkdir /was && echo x > /was/x\n\
    ENV A=1\nCMD [\"cat\", \"/new\"]\n";
const BASE: &str = "FROM busybox\nRUN echo a > /gone; echo b > /changed; echo k > /kept; echo w > /was; \
    mkdir /folder /becomes /moved; echo a > /folder/a; echo b > /folder/b; echo c > /becomes/c; echo d > /moved/d\n";
/// All that can be seen of files.
const LOOK: &str = "cd / && find . -path ./proc -prune -o -path ./sys -prune -o -path ./dev -prune -o -path ./etc -prune -o -print | sort | \
    while read -r f; do stat -c '%n %F %a %u %g' \"$f\"; [ -d \"$f\" ] || stat -c '%s %h' \"$f\"; [ -f \"$f\" ] && [ ! -L \"$f\" ] && sha256sum < \"$f\"; [ -L \"$f\" ] && readlink \"$f\"; done; true";

fn layers(daemon: &Daemon, name: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(&daemon.ok(&["image", "inspect", name])).unwrap();
    document[0]["RootFS"]["Layers"].as_array().unwrap().clone()
}

#[test]
fn a_squashed_image_has_the_same_files_in_one_layer() {
    let daemon = Daemon::with_busybox();
    build(&daemon, &["-t", "base"], BASE, &[]);
    build(&daemon, &["-t", "whole"], DOCKERFILE, &[]);
    let printed = build(&daemon, &["-t", "squashed", "--squash"], DOCKERFILE, &[]);
    assert_eq!(super::cached(&printed), 4, "its steps are those of the other one: {printed}");
    let (base, whole, squashed) =
        (layers(&daemon, "base"), layers(&daemon, "whole"), layers(&daemon, "squashed"));
    assert_eq!((whole.len(), squashed.len()), (base.len() + 4, base.len() + 1));
    assert_eq!(squashed[..base.len()], base[..]);
    let look = |name: &str| run(&daemon, name, &["sh", "-c", LOOK]);
    let seen = look("squashed");
    assert!(seen.contains("./was/x") && !seen.contains("./deep"), "{seen}");
    assert!(seen == look("whole"), "{seen}\n\nand not\n\n{}", look("whole"));
    // What came and went is in no layer of it.
    let archive = daemon.scratch("squashed.tar");
    daemon.ok(&["save", "-o", archive.to_str().unwrap(), "squashed"]);
    let history =
        daemon.ok(&["history", "--no-trunc", "--format", "{{.Size}} {{.Comment}}", "squashed"]);
    assert!(history.lines().next().unwrap().ends_with("4 layers squashed into one"), "{history}");
    assert_eq!(
        run(&daemon, "squashed", &["sh", "-c", "echo $A; ls /folder /moved 2>&1 | head -3"]),
        "1\nls: /moved: No such file or directory\n/folder:\nb"
    );
    daemon.ok(&["system", "check", "--deep"]);
    // Elsewhere it is the same.
    let other = Daemon::start();
    other.ok(&["load", "-i", archive.to_str().unwrap()]);
    assert_eq!(run(&other, "squashed", &["sh", "-c", LOOK]), seen);
}

#[test]
fn squashing_is_refused_where_it_would_mean_nothing() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "inline", &[("Dockerfile", "FROM busybox\nRUN echo a > /a\n")]);
    let words = ["build", "--squash", "--cache-to", "type=inline", root.to_str().unwrap()];
    daemon.gantry(&words).run().exits(1).complains("leave out --squash");
    // One layer is one already; from nothing there is nothing below it.
    build(&daemon, &["-t", "one", "--squash"], "FROM busybox\nRUN echo a > /a\n", &[]);
    let dockerfile = "FROM scratch\nCOPY a /a\nCOPY b /b\n";
    build(&daemon, &["-t", "two", "--squash"], dockerfile, &[("a", "1"), ("b", "2")]);
    assert_eq!(layers(&daemon, "two").len(), 1);
}
