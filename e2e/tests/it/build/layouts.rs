//! Named contexts that are images in folders of the client's.

use std::fs;

use gantry_testkit::Daemon;

use super::{context, run};

fn layout(daemon: &Daemon, tag: &str, text: &str) -> std::path::PathBuf {
    let dockerfile = format!("FROM busybox\nRUN echo {text} > /text\nENV FROM={text}\n");
    let root = context(daemon, &format!("of-{tag}"), &[("Dockerfile", &dockerfile)]);
    let folder = daemon.scratch(&format!("layout-{tag}"));
    let output = format!("type=oci,tar=false,dest={},name=x/y:{tag}", folder.display());
    daemon.ok(&["build", "--network=none", "-o", &output, root.to_str().unwrap()]);
    folder
}

#[test]
fn stages_begin_with_images_in_folders_and_copy_out_of_them() {
    let maker = Daemon::with_busybox();
    let folder = layout(&maker, "one", "made");
    let place = folder.to_str().unwrap();
    // This one has nothing but what the folder has.
    let daemon = Daemon::start();
    let dockerfile = "FROM given AS first\nRUN echo $FROM > /from\nFROM given\nCOPY --from=first /from /a\nCOPY --from=given /text /b\n\
        RUN --mount=from=given,source=/text,target=/c cat /c > /d\n";
    let root = context(&daemon, "given", &[("Dockerfile", dockerfile)]);
    let root = root.to_str().unwrap();
    let index = fs::read_to_string(folder.join("index.json")).unwrap();
    let digest = &index[index.find("sha256:").unwrap()..][..71];
    for (number, which) in ["", ":one", &format!("@{digest}")].iter().enumerate() {
        let given = format!("given=oci-layout://{place}{which}");
        let words = ["build", "--network=none", "-t", "built", "--build-context", &given, root];
        let outcome = daemon.gantry(&words).run();
        assert_eq!(outcome.code, 0, "{which}: {}", outcome.stderr);
        let cached = super::cached(&outcome.stderr);
        assert_eq!(cached, if number == 0 { 0 } else { 4 }, "{which}: {}", outcome.stderr);
        assert_eq!(run(&daemon, "built", &["cat", "/a", "/b", "/d"]), "made\nmade\nmade");
    }
    let images = daemon.ok(&["images", "-a", "--format", "{{.Repository}}"]);
    let images: Vec<&str> = images.lines().filter(|name| *name != "hello-world").collect();
    assert_eq!(images, ["built"], "the layout is no image here");
    daemon.ok(&["rmi", "built"]);
    daemon.ok(&["builder", "prune", "-af"]);
    daemon.ok(&["system", "check", "--deep"]);
    assert!(daemon.ok(&["system", "df"]).contains("Images"), "nothing is left of it");
}

#[test]
fn layouts_that_are_not_what_they_say_end_the_build() {
    let maker = Daemon::with_busybox();
    let folder = layout(&maker, "bad", "bad");
    let daemon = Daemon::start();
    let root = context(&daemon, "bad", &[("Dockerfile", "FROM given\nRUN true\n")]);
    let try_it = |which: &str| {
        let given = format!("given=oci-layout://{}{which}", folder.display());
        let words = ["build", "--network=none", "--build-context", &given, root.to_str().unwrap()];
        let outcome = daemon.gantry(&words).run();
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        outcome.stderr
    };
    let missing = try_it(":two");
    assert!(missing.contains("the layout has no image \"two\""), "{missing}");
    let elsewhere = try_it(&format!("@sha256:{}", "0".repeat(64)));
    assert!(elsewhere.contains("the layout has no image"), "{elsewhere}");
    // The largest blob, a layer, with one byte changed; then cut off; then away.
    let blobs = fs::read_dir(folder.join("blobs/sha256")).unwrap();
    let largest = blobs
        .map(|blob| blob.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, &bytes).unwrap();
    let changed = try_it("");
    assert!(changed.contains("digest"), "{changed}");
    fs::write(&largest, &bytes[..middle]).unwrap();
    let cut = try_it("");
    assert!(cut.contains("digest"), "{cut}");
    fs::remove_file(&largest).unwrap();
    let away = try_it("");
    assert!(away.contains("is not there"), "{away}");
    daemon.ok(&["system", "check", "--deep"]);
}
