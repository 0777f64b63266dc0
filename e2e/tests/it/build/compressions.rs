//! Archives in every compression that people have: loaded, imported, copied in.

use std::fs;

use gantry_testkit::{Daemon, Invocation};

use super::run;

/// Programs that compress a file beside it.
const PROGRAMS: [(&str, &str); 4] =
    [("gzip", "gz"), ("bzip2", "bz2"), ("xz", "xz"), ("zstd", "zst")];

#[test]
fn archives_are_taken_in_every_compression() {
    let daemon = Daemon::with_busybox();
    let (saved, root) = (daemon.scratch("saved.tar"), daemon.scratch("root.tar"));
    daemon.ok(&["save", "-o", saved.to_str().unwrap(), "busybox"]);
    daemon.ok(&["create", "--name", "whole", "busybox"]);
    daemon.ok(&["export", "-o", root.to_str().unwrap(), "whole"]);
    for (program, ending) in PROGRAMS {
        for path in [&saved, &root] {
            Invocation::new(program).args(["-kf", path.to_str().unwrap()]).run().success();
        }
        let packed = |path: &std::path::Path| format!("{}.{ending}", path.display());
        let other = Daemon::start();
        let loaded = other.ok(&["load", "-i", &packed(&saved)]);
        assert!(loaded.contains("busybox"), "{program}: {loaded}");
        assert_eq!(run(&other, "busybox", &["echo", "loaded"]), "loaded", "{program}");
        other.ok(&["import", &packed(&root), "imported"]);
        assert_eq!(run(&other, "imported", &["/bin/busybox", "echo", "in"]), "in", "{program}");
        // As an archive on standard input goes into a container.
        other.ok(&["create", "--name", "into", "busybox"]);
        let bytes = fs::read(packed(&root)).unwrap();
        other.gantry(&["cp", "-", "into:/tmp"]).input(bytes).run().success();
        let out = other.scratch("busybox");
        other.ok(&["cp", "into:/tmp/bin/busybox", out.to_str().unwrap()]);
        assert!(fs::metadata(&out).unwrap().len() > 100_000, "{program}");
        other.ok(&["system", "check", "--deep"]);
    }
    // What only begins like one.
    let torn = daemon.scratch("torn.xz");
    let whole = fs::read(format!("{}.xz", saved.display())).unwrap();
    fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
    daemon
        .gantry(&["load", "-i", torn.to_str().unwrap()])
        .run()
        .exits(1)
        .complains("read the image archive");
}
