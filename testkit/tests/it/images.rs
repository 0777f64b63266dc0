//! Archives, read back by tar(1).

use gantry_testkit::{Entry, Invocation, Kind, Tar, busybox, sha256};

fn listed(archive: Vec<u8>) -> String {
    Invocation::new("/bin/tar").args(["-tvf", "-"]).input(archive).run().success()
}

#[test]
fn tar_reads_what_we_write() {
    let archive = Tar::new()
        .directory("d/", 0o750)
        .file("d/file", 0o4755, &[7; 1000])
        .symlink("d/soft", "file")
        .hard_link("d/hard", 0o644, "d/file")
        .entry(&Entry { owner: (1000, 1001), ..Entry::new("owned", Kind::File) })
        .entry(&Entry::new("null", Kind::CharDevice))
        .finish();
    let listed = listed(archive);
    for words in [
        "drwxr-x--- 0/0",
        "-rwsr-xr-x 0/0",
        " 1000 ",
        "d/soft -> file",
        "d/hard link to d/file",
        "1000/1001",
        "crw-r--r-- 0/0             1,3",
    ] {
        assert!(listed.contains(words), "{words} is missing:\n{listed}");
    }
}

#[test]
fn an_archive_can_lie() {
    let lie = Entry { claimed_size: Some(1 << 20), content: b"x", ..Entry::new("f", Kind::File) };
    let outcome = Invocation::new("/bin/tar")
        .args(["-tf", "-"])
        .input(Tar::new().entry(&lie).cut_off())
        .run();
    outcome.exits(2).complains("Unexpected EOF");
}

#[test]
fn both_formats_hold_the_same_config() {
    let image = busybox();
    let digits = sha256(&image.config_document());
    assert_eq!(image.id(), format!("sha256:{digits}"));
    assert!(listed(image.docker_archive()).contains(&format!("{digits}.json")));
    assert!(listed(image.oci_layout()).contains(&format!("blobs/sha256/{digits}")));
}

#[test]
fn digests_are_sha256() {
    assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
