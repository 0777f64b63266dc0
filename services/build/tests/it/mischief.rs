//! Dockerfiles, base images and contexts of somebody who means harm.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use gantry_build::RunNetwork;
use gantry_types::error_chain;

use crate::made_workshop::MadeWorkshop;

#[test]
fn in_a_made_workshop_a_mount_of_the_context_never_leads_to_the_host() {
    let workshop = MadeWorkshop::new();
    let context = workshop.fresh("mischief");
    // As text, the directory's name is that of the link to the host's root.
    let directory = OsStr::from_bytes(b"d\xff");
    fs::create_dir(context.join(directory)).unwrap();
    fs::write(context.join(directory).join("mine"), "").unwrap();
    symlink(directory, context.join("l")).unwrap();
    symlink("/", context.join("d\u{fffd}")).unwrap();
    let dockerfile = "FROM base\nRUN --mount=type=bind,source=l,target=/m names\n";
    workshop.build_in(dockerfile, &context, |_| {}).unwrap();
    assert_eq!(*workshop.executed.lock().unwrap(), ["names", "mine"]);
    // The link itself stays in the context.
    let dockerfile = "FROM base\nRUN --mount=type=bind,source=/d\u{fffd}/l,target=/m names\n";
    workshop.build_in(dockerfile, &context, |_| {}).unwrap();
    assert_eq!(workshop.executed.lock().unwrap().last().unwrap(), "mine");
}

#[test]
fn in_a_made_workshop_nobody_but_the_user_grants_the_network_of_the_host() {
    let workshop = MadeWorkshop::new();
    for dockerfile in ["FROM takes-network\n", "FROM base\nRUN --network=host write taken 1\n"] {
        let error = error_chain(&workshop.build(dockerfile, &[]).unwrap_err());
        assert!(error.contains("build with --network host"), "{error}");
        let granted = workshop
            .build_with(dockerfile, &[], |request| request.network = RunNetwork::Host)
            .unwrap();
        assert_eq!(granted, ["taken 1"]);
    }
}

#[test]
fn in_a_made_workshop_values_of_a_stage_are_limited() {
    let workshop = MadeWorkshop::new();
    // Each is ten times the one before; alone, every value is short enough.
    let mut first = format!("FROM base\nENV A={}\n", "x".repeat(1000));
    for (name, before) in [("B", "$A"), ("C", "$B")] {
        first.extend(["ENV ", name, "=", &before.repeat(10), "\n"]);
    }
    let large = "ARG L=$C$C$C$C$C$C$C$C\n";
    workshop.build(&format!("{first}{large}"), &[]).unwrap();
    for many in [large.repeat(6), "LABEL a=$C$C$C b=$C$C$C\n".repeat(8)] {
        let error = error_chain(&workshop.build(&format!("{first}{many}"), &[]).unwrap_err());
        let limit = "the bytes of the values and the history of one stage is over the limit";
        assert!(error.contains(limit), "{error}");
    }
}

#[test]
fn in_a_made_workshop_names_that_layers_reserve_are_refused() {
    let workshop = MadeWorkshop::new();
    let files = [("dir/.wh.x", "1"), ("a", "a")];
    for step in ["COPY dir /d", "COPY a /.wh.a", "COPY a /.wh.d/a", "WORKDIR /.wh.d"] {
        let dockerfile = format!("FROM base\n{step}\n");
        let error = error_chain(&workshop.build(&dockerfile, &files).unwrap_err());
        assert!(error.contains("a name that layers reserve"), "{step}: {error}");
    }
}

#[test]
fn in_a_made_workshop_devices_of_a_context_are_not_brought() {
    let workshop = MadeWorkshop::new();
    let context = workshop.fresh("devices");
    fs::create_dir(context.join("dir")).unwrap();
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        context.join("dir/null"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::RUSR,
        rustix::fs::makedev(1, 3),
    );
    made.unwrap();
    for step in ["COPY dir/null /x", "ADD dir/null /x", "COPY dir /d", "COPY . /d"] {
        let dockerfile = format!("FROM base\n{step}\n");
        let error = error_chain(&workshop.build_in(&dockerfile, &context, |_| {}).unwrap_err());
        assert!(error.contains("a build takes none from its context"), "{step}: {error}");
    }
}

#[test]
fn in_a_made_workshop_nothing_is_replaced_by_what_is_of_another_kind() {
    let workshop = MadeWorkshop::new();
    let context = workshop.fresh("kinds");
    for (path, content) in
        [("base/usr/lib/x", "x"), ("tree/lib/y", "y"), ("file/usr", "f"), ("new/etc/z", "z")]
    {
        let path = context.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    symlink("usr/lib", context.join("base/lib")).unwrap();
    let build = |steps: &str| {
        let dockerfile = format!("FROM base\nCOPY base /\n{steps}\n");
        let built = workshop.build_in(&dockerfile, &context, |_| {});
        built.map_err(|error| error_chain(&error))
    };
    for (step, complaint) in [
        ("COPY tree /", "cannot copy a directory to \"lib\": a file or a link is there"),
        ("COPY file /", "cannot copy a file to \"usr\": a directory is there"),
        ("COPY file base /d/", "cannot copy a directory to \"d/usr\""),
        ("COPY base file /d/", "cannot copy a file to \"d/usr\""),
        ("COPY --parents base /\nCOPY file /base/usr/lib/x/", "a file"),
    ] {
        let error = build(step).unwrap_err();
        assert!(error.contains(complaint), "{step}: {error}");
    }
    // What is new, or of the same kind, comes to lie there; so does what goes through the link by its own word.
    for step in ["COPY new /", "COPY tree/lib /lib", "COPY tree /d", "COPY base /"] {
        build(step).unwrap();
    }
}

#[test]
fn in_a_made_workshop_a_link_does_not_lead_to_what_does_not_count() {
    let workshop = MadeWorkshop::new();
    for step in ["COPY --from=linked link /x", "COPY --from=linked lin* /x"] {
        let dockerfile = format!("FROM base\n{step}\n");
        let error = error_chain(&workshop.build(&dockerfile, &[]).unwrap_err());
        assert!(error.contains("is not there in the context \"linked\""), "{step}: {error}");
    }
}

#[test]
fn in_a_made_workshop_a_source_is_no_pattern_of_an_ignore_file() {
    let workshop = MadeWorkshop::new();
    let files = [("!x1", "1"), ("x1", "2"), ("#x", "3")];
    let built = workshop.build("FROM base\nCOPY [\"!x*\", \"#*\", \"/d/\"]\n", &files).unwrap();
    assert_eq!(built, ["d/!x1 1", "d/#x 3"]);
}
