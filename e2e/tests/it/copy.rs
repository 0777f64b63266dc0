//! `cp` both ways, on containers that run and that don't, by our command line and by Docker's, and against containers that
//! mean harm.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use gantry_testkit::{Tar, poll};

use crate::shared::{detached, shared, unique};

fn cp(from: &str, to: &str) -> gantry_testkit::Outcome {
    shared().gantry(&["cp", from, to]).run()
}

fn at(container: &str, path: &str) -> String {
    format!("{container}:{path}")
}

fn folder() -> PathBuf {
    let folder = shared().scratch("copy");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// A container with a volume, one that runs or one that never did.
fn container(runs: bool) -> (String, String) {
    let (name, volume) = (unique("copy"), unique("copy-volume"));
    let mount = format!("{volume}:/deep/volume");
    let image = "type=image,src=busybox,dst=/image";
    let part = "type=image,src=busybox,dst=/part,image-subpath=bin";
    if runs {
        let flags = ["-v", &mount, "--mount", image, "--mount", part];
        detached(&name, &flags, &["sleep", "1000"]);
    } else {
        shared().ok(&[
            "create",
            "--network",
            "none",
            "--name",
            &name,
            "-v",
            &mount,
            "--mount",
            image,
            "--mount",
            part,
            "busybox",
            "sleep",
            "1000",
        ]);
    }
    (name, volume)
}

fn away((name, volume): (String, String)) {
    shared().remove(&[&name]);
    shared().ok(&["volume", "rm", &volume]);
}

#[test]
fn there_and_back() {
    for runs in [true, false] {
        let (name, volume) = container(runs);
        let here = folder();
        fs::write(here.join("file"), "text").unwrap();
        fs::create_dir_all(here.join("dir/below")).unwrap();
        fs::write(here.join("dir/below/one"), "1").unwrap();
        symlink("below/one", here.join("dir/link")).unwrap();
        // A file into a directory, under another name, and into a volume.
        cp(text(&here.join("file")), &at(&name, "/tmp/")).exits(0);
        cp(text(&here.join("file")), &at(&name, "/tmp/other")).exits(0);
        cp(text(&here.join("file")), &at(&name, "/deep/volume")).exits(0);
        // A directory, and its content.
        cp(text(&here.join("dir")), &at(&name, "/tmp")).exits(0);
        cp(text(&here.join("dir")), &at(&name, "/tmp/new")).exits(0);
        cp(&format!("{}/.", text(&here.join("dir"))), &at(&name, "/deep/volume")).exits(0);
        let back = folder();
        for (from, to, expected) in [
            ("/tmp/file", "", "file"),
            ("/tmp/other", "called", "called"),
            ("/deep/volume/file", "of-volume", "of-volume"),
        ] {
            cp(&at(&name, from), text(&back.join(to))).exits(0);
            assert_eq!(fs::read_to_string(back.join(expected)).unwrap(), "text", "{from} {runs}");
        }
        // Out of an image, and of a part of one.
        for from in ["/image/bin/busybox", "/part/busybox"] {
            cp(&at(&name, from), text(&back.join("busybox"))).exits(0);
        }
        cp(&at(&name, "/tmp/new"), text(&back.join("made"))).exits(0);
        assert_eq!(fs::read_to_string(back.join("made/below/one")).unwrap(), "1");
        assert_eq!(fs::read_link(back.join("made/link")).unwrap().to_str(), Some("below/one"));
        cp(&at(&name, "/deep/volume/."), text(&back.join("made"))).exits(0);
        assert!(back.join("made/file").exists());
        cp(&at(&name, "/tmp/dir"), text(&back)).exits(0);
        assert!(back.join("dir/below/one").exists());
        // What is in the volume is in the volume.
        let path = shared().ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", &volume]);
        assert_eq!(fs::read_to_string(format!("{path}/below/one")).unwrap(), "1");
        if runs {
            assert_eq!(shared().ok(&["exec", &name, "cat", "/tmp/new/link"]), "1");
        }
        away((name, volume));
    }
}

#[test]
fn what_cannot_be_is_told_in_dockers_words() {
    let (name, volume) = container(true);
    let here = folder();
    fs::write(here.join("file"), "text").unwrap();
    fs::create_dir(here.join("dir")).unwrap();
    let file = text(&here.join("file")).to_owned();
    let dir = text(&here.join("dir")).to_owned();
    for (from, to, words) in [
        (
            &*at(&name, "/nope"),
            &*dir,
            &*format!("Could not find the file /nope in container {name}"),
        ),
        (&file, &at(&name, "/nope/below"), "Could not find the file /nope in container"),
        (&file, &at(&name, "/nope/"), "no such directory"),
        (&dir, &at(&name, "/etc/passwd"), "cannot copy directory"),
        (&at(&name, "/etc"), &file, "cannot copy directory"),
        (
            &at(&name, "/etc/passwd"),
            "/no/such/dir/file",
            "invalid output path: directory \"/no/such/dir\" does not exist",
        ),
        (&file, &dir, "must specify at least one container source"),
        (&at(&name, "/a"), &at(&name, "/b"), "copying between containers is not supported"),
        ("/no/such/file", &at(&name, "/tmp"), "lstat /no/such/file"),
        (&file, "ghost:/tmp", "No such container: ghost"),
        (&at(&name, "/bin"), &format!("{dir}/x/y"), "invalid output path"),
    ] {
        cp(from, to).exits(1).plainly().complains(words);
    }
    away((name, volume));
}

#[test]
fn archives_through_pipes() {
    let (name, volume) = container(true);
    let archive = Tar::new().file("piped", 0o600, b"text").finish();
    shared().gantry(&["cp", "-", &at(&name, "/tmp")]).input(archive).run().exits(0);
    assert_eq!(shared().ok(&["exec", &name, "cat", "/tmp/piped"]), "text");
    let back = shared().gantry(&["cp", &at(&name, "/tmp/piped"), "-"]).run();
    assert!(back.exits(0).stdout.starts_with("piped\0"));
    shared()
        .gantry(&["cp", "-", &at(&name, "/tmp/piped")])
        .input("x")
        .run()
        .exits(1)
        .complains("must be a directory");
    away((name, volume));
}

#[test]
fn owners_and_links() {
    let name = unique("copy-user");
    detached(&name, &["-u", "12:34"], &["sleep", "1000"]);
    let here = folder();
    fs::write(here.join("file"), "text").unwrap();
    symlink("file", here.join("link")).unwrap();
    let stat = |path: &str| shared().ok(&["exec", &name, "stat", "-c", "%u %g %F", path]);
    shared().ok(&["cp", "-a", text(&here.join("file")), &at(&name, "/tmp/mine")]);
    assert_eq!(stat("/tmp/mine"), "12 34 regular file");
    shared().ok(&["cp", text(&here.join("link")), &at(&name, "/tmp/link")]);
    assert_eq!(stat("/tmp/link"), "0 0 symbolic link");
    shared().ok(&["cp", "-L", text(&here.join("link")), &at(&name, "/tmp/followed")]);
    assert_eq!(stat("/tmp/followed"), "0 0 regular file");
    shared().ok(&[
        "exec",
        "-u",
        "0",
        &name,
        "sh",
        "-c",
        "ln -s /etc/passwd /tmp/out; mkdir /tmp/d; ln -s d /tmp/to-d",
    ]);
    cp(&at(&name, "/tmp/out"), text(&here)).exits(0);
    assert_eq!(fs::read_link(here.join("out")).unwrap().to_str(), Some("/etc/passwd"));
    shared().ok(&["cp", "-L", &at(&name, "/tmp/out"), text(&here.join("passwd"))]);
    assert!(fs::read_to_string(here.join("passwd")).unwrap().starts_with("root:"));
    cp(text(&here.join("file")), &at(&name, "/tmp/to-d")).exits(0);
    assert_eq!(stat("/tmp/d/file"), "0 0 regular file");
    shared().remove(&[&name]);
}

#[test]
fn what_is_read_only_stays_as_it_is() {
    for runs in [true, false] {
        let (name, volume) = (unique("copy-ro"), unique("copy-ro-volume"));
        let mounts = [
            "--read-only",
            "--tmpfs",
            "/tmp",
            "-v",
            &format!("{volume}:/ro:ro"),
            "-v",
            &format!("{volume}:/rw"),
        ];
        let verb: &[&str] = if runs { &["run", "-d"] } else { &["create"] };
        let fixed = ["--network", "none", "--name", &name];
        shared().ok(&[verb, &fixed, &mounts, &["busybox", "sleep", "1000"]].concat());
        let file = folder().join("file");
        fs::write(&file, "text").unwrap();
        cp(text(&file), &at(&name, "/etc/"))
            .exits(1)
            .complains("container rootfs is marked read-only");
        cp(text(&file), &at(&name, "/ro/"))
            .exits(1)
            .complains("mounted volume is marked read-only");
        cp(text(&file), &at(&name, "/rw/")).exits(0);
        cp(&at(&name, "/ro/file"), text(&file)).exits(0);
        shared().remove(&[&name]);
        shared().ok(&["volume", "rm", &volume]);
    }
}

#[test]
fn links_of_a_container_lead_nowhere_else() {
    for runs in [true, false] {
        let name = unique("copy-hostile");
        let script = "ln -s / /tmp/root; ln -s ../../../../../../ /tmp/up; ln -s /proc/1/root /tmp/magic; \
                      mknod /tmp/null c 1 3; mkfifo /tmp/pipe; touch /tmp/ready; sleep 1000";
        detached(&name, &[], &["sh", "-c", script]);
        poll("it to be ready", || {
            shared()
                .gantry(&["exec", &name, "test", "-e", "/tmp/ready"])
                .run()
                .code
                .eq(&0)
                .then_some(())
        });
        if !runs {
            shared().ok(&["kill", &name]);
            shared().ok(&["wait", &name]);
        }
        let here = folder();
        let secret = here.join("secret");
        fs::write(&secret, "of the host").unwrap();
        let outside = text(&secret);
        for link in ["/tmp/root", "/tmp/up", "/tmp/magic"] {
            cp(&at(&name, &format!("{link}{outside}")), text(&here.join("stolen"))).exits(1);
            assert!(!here.join("stolen").exists());
        }
        // Into what looks like the host's folder.
        let target = format!("/tmp/root{}/", text(&here));
        cp(text(&secret), &at(&name, &target)).exits(1);
        // Pipes and devices are copied as what they are, and nobody waits for them.
        cp(&at(&name, "/tmp/pipe"), text(&here)).exits(0);
        cp(&at(&name, "/tmp/null"), text(&here)).exits(0);
        assert_eq!(fs::symlink_metadata(here.join("pipe")).unwrap().mode() & 0o170_000, 0o010_000);
        // Nothing goes into the kernel's settings.
        if runs {
            cp(text(&secret), &at(&name, "/proc/")).exits(1).complains("read-only");
            cp(text(&secret), &at(&name, "/proc/sys/kernel/")).exits(1);
        }
        shared().remove(&[&name]);
    }
}

#[test]
fn a_container_that_swaps_folders_for_links_meanwhile() {
    let name = unique("copy-race");
    let script = "mkdir /tmp/a /tmp/keep; while :; do rmdir /tmp/a/x 2>/dev/null; rm -rf /tmp/a; ln -s /etc /tmp/a; rm /tmp/a; mkdir /tmp/a; done";
    detached(&name, &[], &["sh", "-c", script]);
    let here = folder();
    let before = fs::metadata("/etc").unwrap();
    let archive = || {
        Tar::new()
            .directory("a", 0o777)
            .directory("a/x", 0o777)
            .file("a/x/owned", 0o4777, b"mine")
            .finish()
    };
    let (mut came_in, mut went_out) = (0, 0);
    for _ in 0..20 {
        // It may win or lose; the host's own files are never what is written to.
        let copied = shared().gantry(&["cp", "-", &at(&name, "/tmp")]).input(archive()).run();
        came_in += usize::from(copied.code == 0);
        went_out += usize::from(cp(&at(&name, "/tmp/a"), text(&here.join("out"))).code == 0);
        drop(fs::remove_dir_all(here.join("out")));
        drop(fs::remove_file(here.join("out")));
    }
    assert!(came_in + went_out > 0, "nothing was ever copied");
    assert_eq!(shared().inspect(&name)["State"]["Running"], true, "it has swapped all the time");
    let after = fs::metadata("/etc").unwrap();
    assert_eq!(
        (before.mode(), before.uid(), before.mtime()),
        (after.mode(), after.uid(), after.mtime())
    );
    assert!(!std::path::Path::new("/etc/x").exists());
    shared().remove(&[&name]);
}

#[test]
fn the_docker_command_line_and_headers() {
    for runs in [true, false] {
        let (name, volume) = container(runs);
        let here = folder();
        fs::write(here.join("file"), "text").unwrap();
        let docker = |words: &[&str]| shared().docker(words).run();
        docker(&["cp", text(&here.join("file")), &at(&name, "/tmp/x")]).exits(0);
        docker(&["cp", &at(&name, "/tmp/x"), text(&here.join("back"))]).exits(0);
        assert_eq!(fs::read_to_string(here.join("back")).unwrap(), "text");
        docker(&["cp", &at(&name, "/etc/."), text(&here.join("etc"))]).exits(0);
        assert!(here.join("etc/passwd").exists());
        docker(&["cp", &at(&name, "/"), text(&here.join("all"))]).exits(0);
        assert!(here.join("all/etc/passwd").exists() && here.join("all/deep").exists());
        docker(&["cp", &at(&name, "/nope"), text(&here)])
            .exits(1)
            .complains("Could not find the file /nope");
        let reply = shared().http("HEAD", &format!("/containers/{name}/archive?path=/etc"), &[]);
        assert_eq!(reply.status, 200);
        assert!(reply.header("x-docker-container-path-stat").is_some());
        let missing = shared().http("HEAD", &format!("/containers/{name}/archive?path=/nope"), &[]);
        assert_eq!(missing.status, 404);
        away((name, volume));
    }
}

#[test]
fn a_huge_sparse_file_is_refused_or_streamed_and_never_held() {
    let name = unique("copy-sparse");
    detached(&name, &[], &["sh", "-c", "busybox truncate -s 2199023255552 /tmp/huge; sleep 1000"]);
    poll("the file", || {
        shared().gantry(&["exec", &name, "test", "-e", "/tmp/huge"]).run().code.eq(&0).then_some(())
    });
    cp(&at(&name, "/tmp/huge"), text(&folder())).exits(1);
    shared().remove(&[&name]);
}
