//! buildah with our runtime: a RUN of a build.

use gantry_testkit::Binaries;

use super::podman::podman;

#[test]
fn a_step_of_a_build_runs() {
    let runtime = Binaries::find().path("gantry-runc");
    let runtime = runtime.to_string_lossy();
    let ok = |arguments: &[&str]| podman().buildah(arguments).run().success();
    let container = ok(&["from", "--pull-never", "busybox"]);
    let run = |words: &[&str]| {
        let fixed = [
            "run",
            "--runtime",
            &runtime,
            "--isolation",
            "oci",
            "--network",
            "none",
            &container,
            "--",
        ];
        podman().buildah(&[&fixed[..], words].concat()).run()
    };
    run(&["sh", "-c", "echo built > /made; id -u"]).exits(0).prints("0\n");
    assert_eq!(run(&["cat", "/made"]).success(), "built");
    assert_ne!(run(&["sh", "-c", "exit 5"]).code, 0);
    ok(&["rm", &container]);
}
