//! On a directory that stands for a resctrl: this kernel has none. The real one makes a group's files itself; here they are made before.

use super::*;

/// A mount of a file system that is none, with groups that are there already.
fn fake_resctrl(groups: &[(&str, &str)]) -> (tempfile::TempDir, Resctrl) {
    let dir = tempfile::tempdir().unwrap();
    for (group, schemata) in groups {
        let directory = dir.path().join(group);
        fs::create_dir_all(directory.join("mon_groups")).unwrap();
        fs::write(directory.join("schemata"), schemata).unwrap();
        fs::write(directory.join("tasks"), "").unwrap();
    }
    let root = dir.path().to_owned();
    (dir, Resctrl { root })
}

fn asked(text: &str) -> IntelRdt {
    let asked = serde_json::from_str(text).unwrap();
    check(&asked).unwrap();
    asked
}

#[test]
fn a_group_that_is_there_must_say_what_is_wanted_and_is_not_touched_on_a_fake_resctrl() {
    let (dir, resctrl) = fake_resctrl(&[("gold", "    L3:0=00ff;1=000f\n    MB:0=  20;1= 70\n")]);
    let group =
        resctrl.join(&asked(r#"{"closID": "gold", "l3CacheSchema": "L3:0=ff"}"#), "c").unwrap();
    group.add(41).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("gold/tasks")).unwrap(), "41");
    group.remove().unwrap();
    assert!(dir.path().join("gold").is_dir());
    for schema in
        [r#""l3CacheSchema": "L3:0=f""#, r#""memBwSchema": "MB:1=20""#, r#""schemata": ["L2:0=f"]"#]
    {
        let failure =
            resctrl.join(&asked(&format!(r#"{{"closID": "gold", {schema}}}"#)), "c").unwrap_err();
        assert!(failure.message.contains("its schemata are not"), "{}", failure.message);
    }
    assert!(resctrl.join(&asked(r#"{"closID": "gold"}"#), "c").is_ok());
    let failure = resctrl.join(&asked(r#"{"closID": "silver"}"#), "c").unwrap_err();
    assert!(failure.message.contains("there is no"), "{}", failure.message);
}

#[test]
fn a_containers_own_group_goes_with_it_on_a_fake_resctrl() {
    let (dir, resctrl) = fake_resctrl(&[]);
    // Without files of the kernel's the schemata cannot be written, and nothing is left of the attempt.
    let with_schema = asked(r#"{"memBwSchema": "MB:0=20"}"#);
    let failure = resctrl.join(&with_schema, "own").unwrap_err();
    assert!(failure.message.contains("MB:0=20"), "{}", failure.message);
    assert!(!dir.path().join("own").exists());

    let group = resctrl.join(&asked("{}"), "own").unwrap();
    assert!(dir.path().join("own").is_dir());
    group.remove().unwrap();
    assert!(!dir.path().join("own").exists());
    group.remove().unwrap();
}

#[test]
fn monitoring_has_a_group_of_its_own_and_the_root_class_stays_on_a_fake_resctrl() {
    let (dir, resctrl) = fake_resctrl(&[("", "")]);
    let group = resctrl.join(&asked(r#"{"closID": "/", "enableMonitoring": true}"#), "c").unwrap();
    let monitor = dir.path().join("mon_groups/c");
    fs::write(monitor.join("tasks"), "").unwrap();
    group.add(7).unwrap();
    assert_eq!(fs::read_to_string(monitor.join("tasks")).unwrap(), "7");
    fs::remove_file(monitor.join("tasks")).unwrap();
    let again: Group = serde_json::from_str(&serde_json::to_string(&group).unwrap()).unwrap();
    again.remove().unwrap();
    assert!(!monitor.exists() && dir.path().join("schemata").exists());
}

#[test]
fn an_update_writes_the_schemata_on_a_fake_resctrl() {
    let (dir, resctrl) = fake_resctrl(&[("gold", "")]);
    let group = resctrl.join(&asked(r#"{"closID": "gold"}"#), "c").unwrap();
    group.update(&asked(r#"{"memBwSchema": "MB:0=20;1=30"}"#)).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("gold/schemata")).unwrap(), "MB:0=20;1=30\n");
}

#[test]
fn lines_come_in_the_specifications_order() {
    let rdt = asked(
        r#"{"l3CacheSchema": "L3:0=f0;1=f\nMB:0=10", "memBwSchema": "MB:0=20",
            "schemata": ["L2:0=3", "MB:0=30"]}"#,
    );
    assert_eq!(schemata::lines(&rdt), ["L3:0=f0;1=f", "MB:0=20", "L2:0=3", "MB:0=30"]);
    let alone = asked(r#"{"l3CacheSchema": "L3:0=f\nMB:0=10"}"#);
    assert_eq!(schemata::lines(&alone), ["L3:0=f", "MB:0=10"]);
}

#[test]
fn impossible_groups_are_refused() {
    for (text, words) in [
        (r#"{"closID": "../x"}"#, "closID"),
        (r#"{"closID": ".."}"#, "closID"),
        (r#"{"memBwSchema": "L3:0=f"}"#, "MB:"),
        (r#"{"memBwSchema": "MB:0=1\nL3:0=f"}"#, "line break"),
    ] {
        let failure = check(&serde_json::from_str(text).unwrap()).unwrap_err();
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}
