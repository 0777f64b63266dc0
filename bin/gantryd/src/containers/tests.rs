//! Flags and keys in, the engine's defaults out.

use super::*;

fn of_file(json: &str) -> Result<ContainerDefaults, Error> {
    resolve(&serde_json::from_str(json).unwrap(), &BTreeMap::new())
}

fn of_flags(words: &[&str]) -> ContainerDefaults {
    #[derive(clap::Parser)]
    struct Words {
        #[command(flatten)]
        keys: ContainerKeys,
    }
    let words = std::iter::once("gantryd").chain(words.iter().copied());
    resolve(&<Words as clap::Parser>::try_parse_from(words).unwrap().keys, &BTreeMap::new())
        .unwrap()
}

#[test]
fn nothing_given_is_docker_s_default() {
    let defaults = of_file("{}").unwrap();
    assert_eq!((defaults.shm_size_bytes, defaults.ipc_mode.as_str()), (64 << 20, "private"));
    assert_eq!(defaults.cdi_spec_dirs, ["/etc/cdi", "/var/run/cdi"].map(PathBuf::from));
    assert_eq!(defaults.default_runtime, OWN_RUNTIME);
    assert_eq!(defaults.seccomp_profile, DefaultSeccomp::Builtin);
}

#[test]
fn keys_and_flags_say_the_same() {
    let file = of_file(
        r#"{"default-ulimits":{"nofile":{"Name":"nofile","Hard":2,"Soft":1}},"default-shm-size":"8m",
            "default-ipc-mode":"shareable","default-cgroupns-mode":"host","no-new-privileges":true,"init":true,
            "seccomp-profile":"unconfined","cdi-spec-dirs":["/x"],
            "runtimes":{"other":{"path":"/bin/runc","runtimeArgs":["--debug"]},
                        "third":{"runtimeType":"io.containerd.runc.v2","options":{"BinaryName":"crun","NoPivotRoot":true}}},
            "default-runtime":"other"}"#,
    )
    .unwrap();
    assert_eq!(file.runtimes["other"].arguments, ["--debug"]);
    assert_eq!(file.runtimes["third"].program, "crun");
    assert!(file.runtimes["third"].no_pivot_root);
    let flags = of_flags(&[
        "--default-ulimit=nofile=1:2",
        "--default-shm-size=8m",
        "--default-ipc-mode=shareable",
        "--default-cgroupns-mode=host",
        "--no-new-privileges",
        "--init",
        "--seccomp-profile=unconfined",
        "--cdi-spec-dir=/x",
        "--add-runtime=other=/bin/runc",
        "--default-runtime=other",
    ]);
    for one in [&file, &flags] {
        assert_eq!((one.ulimits["nofile"].soft, one.ulimits["nofile"].hard), (1, 2));
        assert_eq!((one.shm_size_bytes, one.ipc_mode.as_str()), (8 << 20, "shareable"));
        assert_eq!(one.cgroupns_mode.as_deref(), Some("host"));
        assert!(one.no_new_privileges && one.init);
        assert_eq!(one.seccomp_profile, DefaultSeccomp::Unconfined);
        assert_eq!(one.cdi_spec_dirs, [PathBuf::from("/x")]);
        assert_eq!(one.runtimes["other"].program, "/bin/runc");
        assert_eq!(one.default_runtime, "other");
    }
    assert!(of_file(r#"{"cdi-spec-dirs":[""]}"#).unwrap().cdi_spec_dirs.is_empty());
    assert_eq!(of_file(r#"{"default-runtime":"runc"}"#).unwrap().default_runtime, OWN_RUNTIME);
}

#[test]
fn what_makes_no_sense_is_named() {
    for (json, words) in [
        (r#"{"default-ulimits":{"files":{"Hard":1,"Soft":1}}}"#, "files: there is no such limit"),
        (r#"{"default-ulimits":{"core":{"Hard":1,"Soft":2}}}"#, "soft limit is above"),
        (r#"{"default-shm-size":"much"}"#, "much: it is a size"),
        (r#"{"default-shm-size":-1}"#, "above zero"),
        (r#"{"default-ipc-mode":"host"}"#, "private or shareable"),
        (r#"{"default-cgroupns-mode":"x"}"#, "private or host"),
        (r#"{"seccomp-profile":"/nonexistent"}"#, "/nonexistent"),
        (r#"{"runtimes":{"runc":{"path":"/bin/runc"}}}"#, "reserved"),
        (r#"{"runtimes":{"kata":{"runtimeType":"io.containerd.kata.v2"}}}"#, "another shim"),
        (r#"{"runtimes":{"x":{}}}"#, "no path"),
        (r#"{"runtimes":{"x":{"path":"bin/x"}}}"#, "neither absolute"),
        (r#"{"default-runtime":"x"}"#, "does not exist"),
        (r#"{"userns-remap":"nobody-has-this-name"}"#, "/etc/subuid"),
        (r#"{"userns-remap":"root"}"#, "own ids"),
    ] {
        let error = gantry_types::error_chain(&of_file(json).unwrap_err());
        assert!(error.contains(words), "{json}: {error}");
    }
    for text in ["", "a", "-2", "1:x"] {
        text.parse::<Limit>().unwrap_err();
    }
}

#[test]
fn the_device_interface_can_be_turned_off() {
    let off = BTreeMap::from([("cdi".to_owned(), false)]);
    let defaults = resolve(&ContainerKeys::default(), &off).unwrap();
    assert!(defaults.cdi_spec_dirs.is_empty());
}
