//! Archives that want out of their box, or are none: refused with a reason, nothing kept.

use std::path::Path;
use std::time::Duration;

use gantry_testkit::{
    Daemon, Entry, Image, Invocation, Kind, Layer, Options, SmallDisk, Snapshot, Tar, busybox,
    busybox_layer,
};
use serde_json::json;

fn image_of(layer: Vec<u8>) -> Image {
    Image {
        name: "hostile:1".to_owned(),
        layers: vec![
            Layer { tar: busybox_layer(), gzip: false },
            Layer { tar: layer, gzip: false },
        ],
        config: json!({"Cmd": ["true"]}),
    }
}

fn refused(daemon: &Daemon, before: &Snapshot, what: &str, archive: Vec<u8>) {
    let outcome = daemon.gantry(&["load"]).input(archive).run();
    assert_ne!(outcome.code, 0, "{what} was taken: {outcome}");
    outcome.plainly();
    before.assert_restored(daemon);
}

#[test]
fn what_is_no_image_archive() {
    let daemon = Daemon::start();
    let before = daemon.snapshot();
    let good = busybox().docker_archive();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("text", b"<html>404</html>".to_vec()),
        ("zeros", vec![0; 10_240]),
        ("an archive of something else", Tar::new().file("readme", 0o644, b"hi").finish()),
        ("half an archive", good[..good.len() / 2].to_vec()),
        ("a manifest that is no JSON", Tar::new().file("manifest.json", 0o644, b"{{{").finish()),
        ("a manifest of nothing", Tar::new().file("manifest.json", 0o644, b"[{}]").finish()),
        (
            "a manifest that names the host's files",
            Tar::new().file("manifest.json", 0o644, br#"[{"Config":"/etc/passwd","RepoTags":["x:1"],"Layers":["../../etc/shadow"]}]"#).finish(),
        ),
        (
            "an index without its blobs",
            Tar::new()
                .file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)
                .file("index.json", 0o644, format!(r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":5}}]}}"#, "a".repeat(64)).as_bytes())
                .finish(),
        ),
    ];
    for (what, archive) in cases {
        refused(&daemon, &before, what, archive);
    }
}

#[test]
fn a_layer_that_is_not_what_the_config_says() {
    let daemon = Daemon::start();
    let before = daemon.snapshot();
    let image = busybox();
    let mut archive = image.docker_archive();
    // One byte of the program changes: the archive is whole, its digest is not.
    let at = archive.len() / 2;
    archive[at] ^= 1;
    refused(&daemon, &before, "a changed layer", archive);
}

#[test]
fn entries_that_leave_the_root_stay_inside_or_are_refused() {
    let outside = Path::new("/tmp/gantry-e2e-escaped");
    let name = "tmp/gantry-e2e-escaped";
    let up = format!("../../../../../../../../{name}");
    let absolute = format!("/{name}");
    let link_then_file =
        Tar::new().symlink("out", "/tmp").file("out/gantry-e2e-escaped", 0o644, b"x").finish();
    let relative_link = Tar::new()
        .symlink("out", "../../../../../../tmp")
        .file("out/gantry-e2e-escaped", 0o644, b"x")
        .finish();
    let hard = Tar::new().hard_link("stolen", 0o644, "../../../../../../../../etc/shadow").finish();
    let cases = [
        ("dots", Tar::new().file(&up, 0o644, b"x").finish()),
        ("an absolute name", Tar::new().file(&absolute, 0o644, b"x").finish()),
        ("a link, then a file through it", link_then_file),
        ("a relative link, then a file through it", relative_link),
        ("a hard link out", hard),
        ("a whiteout of the root", Tar::new().file(".wh..", 0o644, b"").finish()),
        ("a whiteout with dots", Tar::new().file(".wh.../x", 0o644, b"").finish()),
    ];
    for (what, layer) in cases {
        let daemon = Daemon::start();
        let outcome = daemon.gantry(&["load"]).input(image_of(layer).docker_archive()).run();
        assert!(!outside.exists(), "{what}: a file got out: {outcome}");
        if outcome.code == 0 {
            // Taken: then it must run, and hold no file of the host.
            let seen = daemon
                .gantry(&[
                    "run",
                    "--rm",
                    "--network",
                    "none",
                    "hostile:1",
                    "sh",
                    "-c",
                    "cat /stolen",
                ])
                .run();
            let shadow = std::fs::read_to_string("/etc/shadow").unwrap();
            assert!(seen.stdout.is_empty() || seen.stdout != shadow, "{what}");
        } else {
            outcome.plainly();
        }
    }
}

#[test]
fn archives_that_lie_about_sizes() {
    let daemon = Daemon::start();
    let before = daemon.snapshot();
    let lie = Entry {
        claimed_size: Some(1 << 33),
        content: b"little",
        ..Entry::new("manifest.json", Kind::File)
    };
    refused(&daemon, &before, "a manifest of 8 GiB", Tar::new().entry(&lie).finish());
    let long_name = Entry {
        claimed_size: Some(1 << 32),
        content: b"x",
        ..Entry::new("././@LongLink", Kind::Raw(b'L'))
    };
    refused(&daemon, &before, "a name of 4 GiB", Tar::new().entry(&long_name).finish());
    let pax = Entry { content: b"99999999999 path=x\n", ..Entry::new("pax", Kind::Raw(b'x')) };
    refused(
        &daemon,
        &before,
        "a record longer than its header",
        Tar::new().entry(&pax).file("x", 0o644, b"").finish(),
    );
}

#[test]
fn an_image_cannot_point_the_runtime_at_the_host() {
    let daemon = Daemon::start();
    let layer = Tar::new()
        .symlink("proc", "/tmp")
        .symlink("dev", "/tmp")
        .symlink("etc", "/tmp/elsewhere")
        .finish();
    let image = Image {
        layers: vec![
            Layer { tar: layer, gzip: false },
            Layer { tar: Tar::new().directory("bin/", 0o755).finish(), gzip: false },
        ],
        ..image_of(Vec::new())
    };
    daemon.load(&image);
    let outcome =
        daemon.gantry(&["run", "--rm", "--network", "none", "hostile:1", "/bin/true"]).run();
    assert_ne!(outcome.code, 0, "there is no program in it: {outcome}");
    assert!(!Path::new("/tmp/elsewhere").exists() && !Path::new("/tmp/null").exists());
}

/// A PAX header with one record.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..6)
        .map(|digits| rest.len() + digits)
        .find(|all| all.to_string().len() + rest.len() == *all);
    format!("{}{rest}", length.unwrap()).into_bytes()
}

#[test]
fn names_and_depths_that_no_file_system_takes() {
    let daemon = Daemon::start();
    let before = daemon.snapshot();
    let cases = [
        ("a path of 600 parts", pax("path", &format!("{}end", "d/".repeat(600)))),
        ("a NUL in a name", pax("path", "etc/pass\0wd")),
        ("a link's target of 5000 bytes", pax("linkpath", &"x".repeat(5000))),
        ("a size beyond all files", pax("size", "99999999999999999999")),
        ("an owner that means no change", pax("uid", "4294967295")),
    ];
    for (what, record) in cases {
        let header = Entry { content: &record, ..Entry::new("pax", Kind::Raw(b'x')) };
        let layer = Tar::new().entry(&header).file("f", 0o644, b"x").finish();
        let archive = image_of(layer).docker_archive();
        if what.contains("target") {
            // It says nothing of a file; of a link it is refused.
            let link = Tar::new().entry(&header).symlink("l", "short").finish();
            refused(&daemon, &before, what, image_of(link).docker_archive());
        } else {
            refused(&daemon, &before, what, archive);
        }
    }
}

#[test]
fn a_bomb_ends_when_it_is_known_to_be_one() {
    let disk = SmallDisk::mount(3 << 30);
    let daemon =
        Daemon::start_with(Options { data_root: Some(disk.join("data")), ..Options::default() });
    let before = daemon.snapshot();
    let bomb = daemon.scratch("bomb.tar.zst");
    // Five gigabytes of zeros in some hundred kilobytes.
    let script = "truncate -s 5G zeros && tar -cf - zeros | zstd -q -o bomb.tar.zst && rm zeros";
    let made = Invocation::new("sh").args(["-c", script]).current_dir(bomb.parent().unwrap());
    made.timeout(Duration::from_mins(2)).run().success();
    let load =
        daemon.gantry(&["load", "-i", bomb.to_str().unwrap()]).timeout(Duration::from_mins(2));
    load.run().exits(1).plainly().complains("uncompressed bytes");
    before.assert_restored(&daemon);
    drop(daemon);
}
