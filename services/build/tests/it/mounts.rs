//! What commands see beside their roots.

use gantry_build::Secret;
use gantry_types::error_chain;

use crate::made_workshop::MadeWorkshop;

/// What the command `mounts` with these flags sees.
fn seen(flags: &str) -> Result<Vec<String>, String> {
    let workshop = MadeWorkshop::new();
    let dockerfile = format!(
        "FROM base AS other\nRUN write dir/file 1\nRUN write second 2\nFROM base\nRUN {flags} mounts\n"
    );
    let files = [("src/a", "a"), ("b", "b")];
    let built = workshop.build_with(&dockerfile, &files, |request| {
        request.secrets.insert("token".to_owned(), Secret::from(b"hidden".to_vec()));
        request.secrets.insert("nul".to_owned(), Secret::from(b"a\0b".to_vec()));
        request.secrets.insert("raw".to_owned(), Secret::from(b"\xff".to_vec()));
    });
    built.map_err(|error| error_chain(&error))?;
    let executed = workshop.executed.lock().unwrap();
    let from = executed.iter().position(|line| line == "mounts").unwrap();
    Ok(executed[from + 1..].to_vec())
}

/// Flags, and what is seen.
const SEEN: &[(&str, &[&str])] = &[
    ("--mount=target=/m", &["held /m ro=true copied=false"]),
    ("--mount=target=m,source=b", &["held /m ro=true copied=false"]),
    ("--mount=target=/m,rw", &["held /m ro=false copied=true"]),
    ("--mount=target=/m,from=other", &["merged 2 / at /m"]),
    ("--mount=target=/m,from=other,source=/dir", &["merged 2 /dir at /m"]),
    ("--mount=target=/m,from=other,source=second", &["held /m ro=true copied=true"]),
    ("--mount=target=/m,from=other,rw", &["held /m ro=false copied=true"]),
    ("--mount=target=/m,from=given", &["held /m ro=true copied=false"]),
    ("--mount=type=tmpfs,target=/t,size=1m", &["memory /t Some(1048576)"]),
    ("--mount=type=cache,target=/c", &["cache /c Shared seeded=false"]),
    ("--mount=type=cache,target=/c,id=x,sharing=private", &["cache x Private seeded=false"]),
    ("--mount=type=secret,id=token", &["secret /run/secrets/token (0, 0, 256)"]),
    ("--mount=type=secret,id=token,target=t,uid=5,mode=444", &["secret /t (5, 0, 292)"]),
    ("--mount=type=secret,id=token,env=TOKEN", &["$TOKEN"]),
    ("--mount=type=secret,id=token,env=TOKEN,target=/t", &["secret /t (0, 0, 256)", "$TOKEN"]),
    ("--mount=type=secret,id=none", &[]),
    (
        "--mount=type=ssh",
        &["agent default /run/buildkit/ssh_agent.0", "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"],
    ),
    ("--mount=type=ssh,target=/s", &["agent default /s", "SSH_AUTH_SOCK=/s"]),
    ("--mount=type=ssh,id=other", &[]),
];

#[test]
fn in_a_made_workshop_mounts_are_what_their_flags_say() {
    for (flags, expected) in SEEN {
        assert_eq!(seen(flags).unwrap_or_else(|error| vec![error]), *expected, "{flags}");
    }
    let caches = seen("--mount=type=cache,target=/c,from=other,source=/dir").unwrap();
    assert!(
        caches[0].starts_with("cache /c_from_") && caches[0].ends_with("seeded=true"),
        "{caches:?}"
    );
}

#[test]
fn in_a_made_workshop_what_cannot_be_mounted_is_said() {
    for (flags, complaint) in [
        ("--mount=target=/m,source=none", "\"none\" is not there in the build context"),
        ("--mount=target=/m,from=other,source=x", "\"x\" is not there in \"other\""),
        ("--mount=type=secret,id=none,required", "it is required"),
        ("--mount=type=secret,id=nul,env=X", "NUL byte"),
        ("--mount=type=secret,id=raw,env=X", "not UTF-8"),
        ("--mount=type=ssh,id=none,required", "it is required"),
        ("--mount=type=cache,target=/c,from=other,source=/second", "begins with a directory"),
        ("--security=insecure", "--allow security.insecure"),
        ("--device=a.com/b=c", "--allow device"),
    ] {
        let error = seen(flags).unwrap_err();
        assert!(error.contains(complaint), "{flags}: {error}");
    }
}

#[test]
fn in_a_made_workshop_a_stage_is_built_whatever_else_a_command_mounts() {
    let cache = "--mount=type=cache,target=/c,uid=$HOME$ID --mount=target=/m,from=other";
    let workshop = MadeWorkshop::new();
    let dockerfile = format!(
        "FROM base AS other\nRUN write dir/file 1\nFROM base\nARG ID=5\nRUN {cache} mounts\n"
    );
    workshop.build(&dockerfile, &[]).unwrap();
    let executed = workshop.executed.lock().unwrap();
    assert_eq!(executed[2..], ["cache /c Shared seeded=false", "merged 1 / at /m"]);
}

#[test]
fn in_a_made_workshop_a_step_depends_on_what_it_mounts() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base AS one\nCOPY a /dir/a\nCOPY b /b\nFROM base\n\
        RUN --mount=from=one,source=/dir,target=/m write x 1\n";
    let count = |a, b| {
        workshop.build(dockerfile, &[("a", a), ("b", b)]).unwrap();
        workshop.executed.lock().unwrap().len()
    };
    assert_eq!(count("a", "b"), 1);
    assert_eq!(count("a", "other"), 1, "what it does not mount says nothing");
    assert_eq!(count("other", "b"), 2);
}

#[test]
fn in_a_made_workshop_a_secret_is_no_part_of_what_a_step_depends_on() {
    let workshop = MadeWorkshop::new();
    let dockerfile =
        "FROM base\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=S write x 1\n";
    for secret in ["one", "two"] {
        let give = |request: &mut gantry_build::Request| {
            let secret = Secret::from(secret.as_bytes().to_vec());
            request.secrets.insert("s".to_owned(), secret);
        };
        workshop.build_with(dockerfile, &[], give).unwrap();
    }
    assert_eq!(workshop.executed.lock().unwrap().len(), 1);
}

#[test]
fn in_a_made_workshop_scripts_name_their_interpreters() {
    let workshop = MadeWorkshop::new();
    let dockerfile = "FROM base\nRUN <<EOF\n#!/usr/bin/env  -S mounts\nx\nEOF\n";
    workshop.build(dockerfile, &[]).unwrap();
    let executed = workshop.executed.lock().unwrap().clone();
    assert_eq!(executed[1], "/usr/bin/env -S mounts /dev/pipes/script");
    let nameless = "FROM base\nRUN <<EOF\n#!\nx\nEOF\n";
    let error = error_chain(&workshop.build(nameless, &[]).unwrap_err());
    assert!(error.contains("names no interpreter"), "{error}");
}
