//! Mounts that do more than appear: copies of what they cover, and files with other owners.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use serde_json::{Value, json};

use crate::bed::Bed;

#[test]
fn a_tmpfs_can_begin_with_what_it_covers() {
    for options in [json!(["tmpcopyup"]), json!(["tmpcopyup", "ro", "mode=700"])] {
        let mut bed = Bed::new();
        fs::create_dir(bed.rootfs().join("var/below")).unwrap();
        fs::write(bed.rootfs().join("var/below/file"), "kept\n").unwrap();
        chown(bed.rootfs().join("var/below/file"), Some(7), Some(8)).unwrap();
        bed.push(
            "/mounts",
            json!({"destination": "/var", "type": "tmpfs", "source": "tmpfs", "options": options}),
        );
        bed.script(
            "cat /var/below/file; stat -c '%u %g' /var/below/file; rm /var/below/file 2>/dev/null; \
             test -e /var/below/file && echo read-only",
        );
        let readonly = options.as_array().unwrap().contains(&"ro".into());
        bed.write_config();
        let output = bed.call(&["run", &bed.id]);
        let expected = if readonly { "kept\n7 8\nread-only\n" } else { "kept\n7 8\n" };
        assert_eq!(crate::bed::text(&output.stdout), expected);
        assert!(bed.rootfs().join("var/below/file").exists(), "the image was changed");
        bed.check_nothing_left();
    }
}

fn mapping(host: u32) -> Value {
    json!([{"containerID": 0, "hostID": host, "size": 1000}])
}

fn bed_with_bind(extra: &Value) -> Bed {
    let mut bed = Bed::new();
    let source = bed.dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "").unwrap();
    chown(source.join("file"), Some(5), Some(5)).unwrap();
    let mut mount =
        json!({"destination": "/tmp", "type": "bind", "source": source, "options": ["rbind"]});
    for (name, value) in extra.as_object().unwrap() {
        mount[name] = value.clone();
    }
    bed.push("/mounts", mount);
    bed
}

#[test]
fn a_bind_can_show_other_owners() {
    for options in [json!(["bind", "idmap"]), json!(["rbind", "ridmap"]), json!(["bind"])] {
        let ids =
            json!({"options": options, "uidMappings": mapping(3000), "gidMappings": mapping(4000)});
        let mut bed = bed_with_bind(&ids);
        bed.script("stat -c '%u %g' /tmp/file");
        assert_eq!(bed.run(), "3005 4005\n", "{options}");
        bed.check_nothing_left();
    }
}

#[test]
fn the_containers_own_user_namespace_maps_a_bind() {
    let mut bed = bed_with_bind(&json!({"options": ["rbind", "idmap"]}));
    bed.push("/linux/namespaces", json!({"type": "user"}));
    let ids = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    bed.set("/linux/uidMappings", ids.clone()).set("/linux/gidMappings", ids);
    bed.script("stat -c '%u %g' /tmp/file; touch /tmp/new");
    // The mapped root must be able to reach its root file system.
    for path in [bed.dir.path(), &bed.bundle(), &bed.rootfs()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for path in [bed.rootfs(), bed.rootfs().join("var"), bed.rootfs().join("tmp")] {
        chown(path, Some(100_000), Some(100_000)).unwrap();
    }
    assert_eq!(bed.run(), "5 5\n");
    let new = fs::metadata(bed.dir.path().join("source/new")).unwrap();
    assert_eq!((new.uid(), new.gid()), (0, 0), "the container's root wrote as another");
    bed.check_nothing_left();
}

#[test]
fn mappings_that_cannot_be_are_refused() {
    for (extra, words) in [
        (json!({"options": ["bind", "idmap"]}), "idmap needs mappings"),
        (json!({"uidMappings": mapping(1)}), "need each other"),
        (
            json!({"type": "tmpfs", "options": [], "uidMappings": mapping(1), "gidMappings": mapping(1)}),
            "no bind",
        ),
    ] {
        let bed = bed_with_bind(&extra);
        let message = bed.run_err();
        assert!(message.contains(words), "{message}");
        bed.check_nothing_left();
    }
}
