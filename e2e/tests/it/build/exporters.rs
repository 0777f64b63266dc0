//! What outputs may be told beside their type: names by digest, how layers are compressed, how files of several platforms lie.

use std::fs;

use gantry_testkit::{Daemon, Invocation, Registry};
use serde_json::Value;

use super::context;

const DOCKERFILE: &str = "FROM busybox\nRUN echo some text > /file\n";

fn manifest(registry: &Registry, reference: &str) -> Value {
    let name = format!("docker://{}/{reference}", registry.address());
    let raw = registry.skopeo(&["inspect", "--raw", "--tls-verify=false", &name]).run().success();
    serde_json::from_str(&raw).unwrap()
}

#[test]
fn an_image_is_pushed_by_its_digest_alone() {
    let (daemon, registry) = (Daemon::with_busybox(), Registry::open());
    let root = context(&daemon, "digest", &[("Dockerfile", DOCKERFILE)]);
    let (root, metadata) = (root.to_str().unwrap(), daemon.scratch("metadata.json"));
    let name = format!("{}/pushed", registry.address());
    let output = format!("type=image,name={name},push=true,push-by-digest=true");
    let told = metadata.to_str().unwrap();
    daemon.ok(&["build", "--network=none", "-o", &output, "--metadata-file", told, root]);
    let metadata: Value = serde_json::from_slice(&fs::read(&metadata).unwrap()).unwrap();
    let digest = metadata["containerimage.digest"].as_str().unwrap();
    let found = manifest(&registry, &format!("pushed@{digest}"));
    let config = metadata["containerimage.config.digest"].as_str().unwrap();
    assert_eq!(found["config"]["digest"], config);
    let tags = format!("docker://{name}");
    let tags = registry.skopeo(&["list-tags", "--tls-verify=false", &tags]).run();
    assert!(tags.code != 0 || !tags.stdout.contains("latest"), "{}", tags.stdout);
    // It is here by that name, too, and by no tag.
    assert_eq!(
        daemon.ok(&["run", "--rm", "--network=none", &format!("{name}@{digest}"), "cat", "/file"]),
        "some text"
    );
    let images = daemon.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(images.contains("<none>") && !images.contains("pushed:latest"), "{images}");
    for (more, said) in
        [(",push-by-digest=true", "it has one"), (",name-canonical=what", "true or false")]
    {
        let output = format!("type=image,\"name={name}:1\"{more}");
        let refused = daemon.gantry(&["build", "--network=none", "-o", &output, root]).run();
        refused.exits(1).complains(if said == "it has one" {
            "has one: leave it out"
        } else {
            said
        });
    }
    daemon.ok(&["system", "check"]);
}

#[test]
fn images_have_names_by_digest_beside_others_and_where_they_have_none() {
    let daemon = Daemon::with_busybox();
    let root = context(&daemon, "canonical", &[("Dockerfile", DOCKERFILE)]);
    let root = root.to_str().unwrap();
    let output = "type=image,name=here/canonical:1,name-canonical=true";
    daemon.ok(&["build", "--network=none", "-o", output, root]);
    let document: Value =
        serde_json::from_str(&daemon.ok(&["image", "inspect", "here/canonical:1"])).unwrap();
    let digests = document[0]["RepoDigests"].as_array().unwrap();
    assert!(digests[0].as_str().unwrap().starts_with("here/canonical@sha256:"), "{digests:?}");
    let output = "type=image,dangling-name-prefix=here/nameless";
    daemon.ok(&["build", "--network=none", "-o", output, "--label", "a=b", root]);
    let images =
        daemon.ok(&["images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}"]);
    assert!(images.contains("here/nameless <none> sha256:"), "{images}");
}

#[test]
fn layers_are_compressed_as_they_are_told_to_be() {
    let daemon = Daemon::with_busybox();
    // Words that a little more work makes much shorter.
    let dockerfile = "FROM busybox\nRUN i=0; while [ $i -lt 20000 ]; do echo \"$((i * 7919 % 10007)) some words and $i\"; i=$((i+1)); done > /words\n";
    let root = context(&daemon, "levels", &[("Dockerfile", dockerfile)]);
    let root = root.to_str().unwrap();
    let sizes = |more: &str| {
        let folder = daemon.scratch(&format!("level{}", more.replace([',', '='], "-")));
        let output = format!("type=oci,tar=false,dest={}{more}", folder.display());
        daemon.ok(&["build", "--network=none", "-o", &output, root]);
        let read = |path: &str| -> Value {
            serde_json::from_slice(&fs::read(folder.join(path)).unwrap()).unwrap()
        };
        let blob = |digest: &Value| {
            format!("blobs/sha256/{}", &digest.as_str().unwrap()["sha256:".len()..])
        };
        let manifest = read(&blob(&read("index.json")["manifests"][0]["digest"]));
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers
            .map(|layer| {
                (
                    layer["mediaType"].as_str().unwrap().rsplit('.').next().unwrap().to_owned(),
                    layer["size"].as_u64().unwrap(),
                )
            })
            .collect::<Vec<_>>()
    };
    let fast = sizes(",compression=gzip,compression-level=1");
    let best = sizes(",compression=gzip,compression-level=9");
    assert!(best[1].1 < fast[1].1, "{best:?} {fast:?}");
    assert_eq!(fast[1].0, "tar+gzip");
    let zstd = sizes(",compression=zstd,compression-level=19");
    assert_eq!(zstd[1].0, "tar+zstd");
    // What was compressed before stays so, unless it must not.
    let archive = daemon.scratch("base.tar");
    let packed = format!("type=docker,dest={},compression=gzip", archive.display());
    daemon.ok(&["build", "--network=none", "-t", "packed", "-o", &packed, root]);
    daemon.ok(&["load", "-i", archive.to_str().unwrap()]);
    let above =
        context(&daemon, "above", &[("Dockerfile", "FROM packed\nCOPY Dockerfile /above\n")]);
    let kinds = |more: &str| {
        let folder = daemon.scratch(&format!("above{}", more.replace([',', '='], "-")));
        let output = format!("type=oci,tar=false,dest={},compression=zstd{more}", folder.display());
        daemon.ok(&["build", "--network=none", "-o", &output, above.to_str().unwrap()]);
        let index = fs::read_to_string(folder.join("index.json")).unwrap();
        let digest = &index[index.find("sha256:").unwrap() + 7..][..64];
        let manifest = fs::read_to_string(folder.join("blobs/sha256").join(digest)).unwrap();
        (manifest.matches("tar+gzip").count(), manifest.matches("tar+zstd").count())
    };
    assert_eq!(kinds(""), (2, 1));
    assert_eq!(kinds(",force-compression=true"), (0, 3));
    let wrong = ["build", "-o", "type=oci,dest=/tmp/x,compression=gzip,compression-level=10", root];
    daemon.gantry(&wrong).run().exits(1).complains("9 is the highest");
}

#[test]
fn files_for_several_platforms_lie_apart_or_together() {
    let daemon = Daemon::start();
    let dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n";
    let files = [("Dockerfile", dockerfile), ("amd64/one", "1"), ("arm64/two", "2")];
    let root = context(&daemon, "split", &files);
    let root = root.to_str().unwrap();
    let build = |output: &str| {
        let platforms = "--platform=linux/amd64,linux/arm64";
        daemon.ok(&["build", platforms, "-o", output, root]);
    };
    let (apart, together) = (daemon.scratch("apart"), daemon.scratch("together"));
    build(&format!("type=local,dest={}", apart.display()));
    assert_eq!(fs::read_to_string(apart.join("linux_amd64/one")).unwrap(), "1");
    assert_eq!(fs::read_to_string(apart.join("linux_arm64/two")).unwrap(), "2");
    build(&format!("type=local,dest={},platform-split=false", together.display()));
    assert_eq!(fs::read_to_string(together.join("one")).unwrap(), "1");
    assert_eq!(fs::read_to_string(together.join("two")).unwrap(), "2");
    let archive = daemon.scratch("both.tar");
    build(&format!("type=tar,dest={}", archive.display()));
    let listed = Invocation::new("tar").args(["-tf", archive.to_str().unwrap()]).run().success();
    assert_eq!(listed, "linux_amd64/one\nlinux_arm64/two");
}
