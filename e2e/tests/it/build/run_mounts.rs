//! `RUN --mount` and what else a command may have.

use std::process::Command;

use gantry_testkit::Daemon;

use super::{build, context, run};
use crate::shared::{shared, unique};

#[test]
fn stages_images_and_writable_copies_are_mounted() {
    let dockerfile = "FROM busybox AS made\nRUN mkdir /d && echo made > /d/file && echo '#!/bin/sh' > /tool && echo 'echo tool' >> /tool && chmod 755 /tool\n\
        FROM busybox\nRUN --mount=from=made,source=/d,target=/m cat /m/file > /a && ! touch /m/x 2>/dev/null\n\
        RUN --mount=from=made,source=/tool,target=/usr/bin/tool tool > /b\n\
        RUN --mount=from=made,target=/all cat /all/d/file > /c\n\
        RUN --mount=target=/ctx,rw echo changed > /ctx/in && cat /ctx/in > /d\n\
        RUN --mount=target=/ctx cat /ctx/in > /e\n\
        RUN --mount=from=made,source=/d,target=/m,rw echo x >> /m/file && cat /m/file > /f\n\
        RUN --mount=from=busybox,source=/bin,target=/mnt ls /mnt/busybox > /g\n\
        RUN ls -d /m /ctx /all /usr/bin/tool > /left 2>/dev/null || true\n";
    build(shared(), &["-t", "mounted"], dockerfile, &[("in", "context")]);
    let seen = run(shared(), "mounted", &["sh", "-c", "cat /a /b /c /d /e /f /g /left"]);
    assert_eq!(seen, "made\ntool\nmade\nchanged\ncontextmade\nx\n/mnt/busybox");
    shared().ok(&["rmi", "mounted"]);
}

#[test]
fn caches_begin_with_what_they_are_told_and_may_be_private() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox AS seed\nRUN mkdir /s && echo seed > /s/file\n\
        FROM busybox AS one\nRUN --mount=type=cache,target=/c,from=seed,source=/s cat /c/file > /a; echo more >> /c/file\n\
        FROM one\nRUN --mount=type=cache,target=/c,from=seed,source=/s cat /c/file > /b\n\
        RUN --mount=type=cache,id=p,target=/p,sharing=private echo x >> /p/log; cat /p/log > /c\n\
        RUN --mount=type=cache,target=/o,uid=5,gid=6,mode=0700 stat -c '%u:%g %a' /o > /d\n";
    build(&daemon, &["-t", "cached"], dockerfile, &[]);
    let seen = run(&daemon, "cached", &["sh", "-c", "cat /a /b /c /d"]);
    assert_eq!(seen, "seed\nseed\nmore\nx\n5:6 700");
}

#[test]
fn secrets_are_variables_and_are_found_nowhere() {
    let daemon = Daemon::with_busybox();
    let dockerfile = "FROM busybox\nRUN --mount=type=secret,id=token,env=TOKEN test ${#TOKEN} = 18 && echo -n $TOKEN | wc -c > /length\n\
        RUN env > /left\n";
    let root = context(&daemon, "variables", &[("Dockerfile", dockerfile)]);
    let words = ["build", "--network", "none", "-t", "variables", "--progress", "plain"];
    let flags = ["--secret", "id=token,env=THE_TOKEN", root.to_str().unwrap()];
    let outcome =
        daemon.gantry(&[&words[..], &flags].concat()).env("THE_TOKEN", "hidden-as-variable").run();
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("hidden-as-variable"), "{}", outcome.stderr);
    let seen = run(&daemon, "variables", &["sh", "-c", "cat /length; grep -c TOKEN /left || true"]);
    assert_eq!(seen, "18\n0");
    let mut grep = Command::new("grep");
    grep.args(["-rl", "hidden-as-variable"]).arg(daemon.data_root()).arg(daemon.exec_root());
    let found = grep.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the secret was kept");
    assert!(!daemon.log().contains("hidden-as-variable"));
}

#[test]
fn privileges_are_for_the_user_to_give() {
    let dockerfile = "FROM busybox\nRUN --security=insecure mkdir /t && mount -t tmpfs none /t && grep -q ' /t tmpfs' /proc/mounts && echo done > /done\n";
    let root = context(shared(), &unique("privileges"), &[("Dockerfile", dockerfile)]);
    let root = root.to_str().unwrap();
    let words = ["build", "--network", "none", "-t", "privileges"];
    let refused = shared().gantry(&[&words[..], &[root]].concat()).run();
    refused.exits(1).complains("build with --allow security.insecure");
    shared().ok(&[&words[..], &["--allow", "security.insecure", root]].concat());
    assert_eq!(run(shared(), "privileges", &["cat", "/done"]), "done");
    let unknown = shared().gantry(&[&words[..], &["--allow", "everything", root]].concat()).run();
    unknown.exits(1).complains("nothing called \"everything\" can be granted");
    shared().ok(&["rmi", "privileges"]);
}

#[test]
fn scripts_may_name_their_interpreters() {
    let dockerfile = "FROM busybox\nRUN <<EOF\n#!/bin/awk -f\nBEGIN { print 6 * 7 > \"/answer\" }\nEOF\n\
        RUN <<-EOF\n\t#!/bin/sh -e\n\techo tabs > /tabs\n\tEOF\nRUN cat <<A <<B > /both\na\nA\nb\nB\n";
    build(shared(), &["-t", "interpreters"], dockerfile, &[]);
    let seen = run(shared(), "interpreters", &["cat", "/answer", "/tabs", "/both"]);
    assert_eq!(seen, "42\ntabs\nb");
    shared().ok(&["rmi", "interpreters"]);
}

#[test]
fn commands_for_other_machines_need_an_emulator() {
    let files = [("a", "A")];
    let other = if cfg!(target_arch = "x86_64") { "linux/riscv64" } else { "linux/s390x" };
    // Where there is nothing to execute, nobody has to emulate.
    let dockerfile = "FROM --platform=$BUILDPLATFORM busybox AS here\nARG TARGETARCH\nRUN echo $TARGETARCH > /for\n\
        FROM scratch\nCOPY --from=here /for /for\nCOPY a /a\n";
    build(shared(), &["-t", "foreign", "--platform", other], dockerfile, &files);
    let document = shared().ok(&["image", "inspect", "foreign"]);
    let architecture = other.split_once('/').unwrap().1;
    assert!(document.contains(&format!("\"Architecture\": \"{architecture}\"")), "{document}");
    let emulated = "FROM scratch\nCOPY Dockerfile /\nRUN [\"/x\"]\n";
    let root = context(shared(), &unique("emulated"), &[("Dockerfile", emulated)]);
    let outcome = shared().gantry(&["build", "--platform", other, root.to_str().unwrap()]).run();
    outcome.exits(1).complains("tell the kernel of an emulator");
    shared().ok(&["rmi", "foreign"]);
}

#[test]
fn a_build_may_be_for_several_machines() {
    let dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /is\nCOPY same /same\n";
    let files = [("amd64", "one"), ("arm64", "two"), ("same", "both")];
    let platforms = "linux/amd64,linux/arm64";
    build(shared(), &["-t", "several", "--platform", platforms], dockerfile, &files);
    for (platform, content) in [("linux/amd64", "one"), ("linux/arm64", "two")] {
        let name = unique("of-several");
        let words = ["create", "--platform", platform, "--name", &name, "several", "/is"];
        shared().ok(&words);
        let place = shared().scratch(&name);
        shared().ok(&["cp", &format!("{name}:/is"), place.to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(&place).unwrap(), content, "{platform}");
        shared().remove(&[&name]);
    }
    shared().ok(&["rmi", "several"]);
}

#[test]
fn checks_may_end_a_build_and_other_languages_do() {
    let root = context(shared(), &unique("checked"), &[]);
    for (dockerfile, complaint) in [
        (
            "# check=error=true\nFROM busybox AS A\n",
            "lint violation found for rules: StageNameCasing",
        ),
        ("# syntax=r2d4/mocker\nFROM busybox\n", "asks for the language of \"r2d4/mocker\""),
    ] {
        std::fs::write(root.join("Dockerfile"), dockerfile).unwrap();
        shared().gantry(&["build", root.to_str().unwrap()]).run().exits(1).complains(complaint);
    }
    for (dockerfile, remark) in [
        ("# check=skip=StageNameCasing;error=true\nFROM busybox AS A\n", ""),
        ("FROM busybox AS A\n", "StageNameCasing: Stage name 'A' should be lowercase (line 1)"),
        ("# syntax=docker/dockerfile:1.99\nFROM busybox\n", "asks for docker/dockerfile 1.99"),
    ] {
        std::fs::write(root.join("Dockerfile"), dockerfile).unwrap();
        let outcome = shared().gantry(&["build", root.to_str().unwrap()]).run();
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(remark), "{dockerfile}: {}", outcome.stderr);
    }
    std::fs::write(root.join("Dockerfile"), "FROM busybox\nRUNN x\n").unwrap();
    let outcome = shared().gantry(&["build", root.to_str().unwrap()]).run();
    outcome.exits(1).complains("   2 | >>> RUNN x\n     |     ^^^^\n");
}
