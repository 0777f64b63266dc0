//! Root file systems made of a recipe.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use gantry_runtime::RootfsMount;

use crate::bed::{Bed, pipes, wait};

pub(crate) fn an_overlay_is_built_in_the_container_only() {
    let bed = Bed::new(&["sh", "-c", "cat /from-top; touch /written; rm /bin/ls; cat; exit 3"]);
    fs::write(bed.path("top/from-top"), "top\n").unwrap();
    let (stdio, ends) = pipes();
    let created = bed.create(&bed.overlay(), stdio).unwrap();
    gantry_runtime::start(&bed.state_dir()).unwrap();
    bed.check_no_mounts();
    drop(ends.stdin);
    assert_eq!(std::io::read_to_string(ends.stdout).unwrap(), "top\n");
    assert_eq!(wait(&created.pidfd), 3);
    gantry_runtime::delete(&bed.state_dir(), gantry_runtime::DeleteMode::IfStopped).unwrap();
    assert!(bed.path("upper/written").exists());
    let whiteout = fs::symlink_metadata(bed.path("upper/bin/ls")).unwrap();
    assert!(whiteout.file_type().is_char_device());
    assert!(bed.path("base/bin/ls").is_symlink());
    bed.check_nothing_left();
}

pub(crate) fn long_paths_of_layers_work() {
    let bed = Bed::new(&["cat", "/deep"]);
    let deep = bed.path(&"d".repeat(200)).join("e".repeat(200));
    fs::create_dir_all(&deep).unwrap();
    for name in ["low", "up", "work"] {
        fs::create_dir(deep.join(name)).unwrap();
    }
    fs::write(deep.join("low/deep"), "deep\n").unwrap();
    let mut mount = bed.overlay();
    let base = bed.path("base");
    mount.options = vec![
        format!("lowerdir={}:{}", deep.join("low").display(), base.display()),
        format!("upperdir={}", deep.join("up").display()),
        format!("workdir={}", deep.join("work").display()),
    ];
    assert_eq!(bed.run(&mount), ("deep\n".to_owned(), 0));
}

pub(crate) fn a_bind_can_be_a_root() {
    let bed = Bed::new(&["sh", "-c", "touch /x || echo refused"]);
    for path in ["proc", "dev"] {
        fs::create_dir(bed.path("base").join(path)).unwrap();
    }
    let mount = RootfsMount {
        kind: "bind".into(),
        source: bed.path("base").display().to_string(),
        options: vec!["rbind".into(), "ro".into()],
    };
    let (output, code) = bed.run(&mount);
    assert!(output.contains("refused"), "{output}");
    assert_eq!(code, 0);
    bed.check_nothing_left();
}

pub(crate) fn a_recipe_that_fails_leaves_nothing() {
    let bed = Bed::new(&["true"]);
    let mut missing = bed.overlay();
    missing.options[0] = format!("lowerdir={}", bed.path("missing").display());
    let mut unknown = bed.overlay();
    unknown.options.push("wings=2".into());
    let mut strange = bed.overlay();
    strange.kind = "nofs".into();
    for (mount, words) in [(missing, "missing"), (unknown, "wings"), (strange, "nofs")] {
        let (stdio, _ends) = pipes();
        let message = bed.create(&mount, stdio).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        bed.check_nothing_left();
    }
}

pub(crate) fn the_last_mount_of_a_recipe_is_the_root() {
    let bed = Bed::new(&["ls", "/"]);
    fs::write(bed.path("top/seen"), "").unwrap();
    let covered = RootfsMount { kind: "tmpfs".into(), source: "x".into(), options: Vec::new() };
    let (stdio, ends) = pipes();
    let created = bed.create_from(&[covered.clone(), bed.overlay()], stdio).unwrap();
    gantry_runtime::start(&bed.state_dir()).unwrap();
    drop(ends.stdin);
    assert!(std::io::read_to_string(ends.stdout).unwrap().contains("seen"));
    assert_eq!(wait(&created.pidfd), 0);
    gantry_runtime::delete(&bed.state_dir(), gantry_runtime::DeleteMode::IfStopped).unwrap();
    let broken = RootfsMount { kind: "no-such-fs".into(), ..covered };
    let error = bed.create_from(&[broken, bed.overlay()], pipes().0).unwrap_err();
    assert!(error.to_string().contains("no-such-fs"), "{error}");
    let error = bed.create_from(&[], pipes().0).unwrap_err();
    assert!(error.to_string().contains("no mounts"), "{error}");
    bed.check_nothing_left();
}
