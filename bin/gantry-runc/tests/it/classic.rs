//! The runtime where the kernel has only the classic mount calls: under a filter that answers the newer ones as an old kernel would.

use std::fs;

use gantry_sys::seccomp::{Instruction, load};
use serde_json::json;

use crate::bed::Bed;

/// `open_tree`, `move_mount`, `fsopen`, `fsconfig`, `fsmount`, `fspick`, `mount_setattr`: the same numbers on every machine.
const NEW_CALLS: [u32; 7] = [428, 429, 430, 431, 432, 433, 442];
const ENOSYS: u32 = 38;

/// Runs in a thread, and with it all that the thread starts, without the newer calls.
fn without_new_mount_calls(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        load(&filter(), 0).unwrap();
        run();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Looks at the number of the call alone.
fn filter() -> Vec<Instruction> {
    let instruction =
        |code, jump_true, value| Instruction { code, jump_true, jump_false: 0, value };
    let (load_word, jump_if_equal, answer) = (0x20, 0x15, 0x06);
    let (errno, allow) = (0x0005_0000, 0x7fff_0000);
    let mut filter = vec![instruction(load_word, 0, 0)];
    for (at, number) in NEW_CALLS.into_iter().enumerate() {
        let beyond = u8::try_from(NEW_CALLS.len() - at).unwrap();
        filter.push(instruction(jump_if_equal, beyond, number));
    }
    filter.push(instruction(answer, 0, allow));
    filter.push(instruction(answer, 0, errno | ENOSYS));
    filter
}

#[test]
fn a_container_is_the_same() {
    without_new_mount_calls(|| {
        let mut bed = Bed::new();
        bed.push(
            "/mounts",
            json!({"destination": "/run/new", "type": "tmpfs", "source": "x",
            "options": ["noexec", "nosuid", "size=64k"]}),
        );
        bed.push(
            "/mounts",
            json!({"destination": "/sys/fs/cgroup", "type": "cgroup",
            "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}),
        );
        bed.set("/root/readonly", json!(true));
        bed.set("/linux/sysctl", json!({"kernel.msgmax": "4242"}));
        bed.script(
            "touch /x || echo refused; touch /run/new/y && echo written; hostname; \
             cat /proc/sys/kernel/msgmax; wc -c < /proc/keys; ls /proc/acpi /sys/firmware | wc -l; \
             echo 1 > /proc/sys/vm/drop_caches || echo kept; grep ' /run/new ' /proc/mounts; \
             echo x > /dev/null && echo null; ls /sys/fs/cgroup | grep -c pids; \
             cut -d' ' -f5 /proc/self/mountinfo | grep -v -e sys/fs -e sysrq | sort | tr '\\n' ' '",
        );
        let output = bed.run();
        for line in ["refused", "written", "the-host", "4242", "kept", "null"] {
            assert!(output.contains(&format!("{line}\n")), "{line}: {output}");
        }
        assert!(output.contains("tmpfs rw,nosuid,noexec,relatime,size=64k"), "{output}");
        assert!(
            output.ends_with(
                "/ /dev /dev/pts /proc /proc/acpi /proc/keys /proc/sys /run/new /sys \
             /sys/firmware "
            ),
            "{output}"
        );
        bed.check_nothing_left();
    });
}

#[test]
fn binds_have_their_options_down_to_the_last_mount() {
    without_new_mount_calls(|| {
        let mut bed = Bed::new();
        let source = bed.dir.path().join("source");
        fs::create_dir_all(source.join("sub")).unwrap();
        fs::write(source.join("file"), "content").unwrap();
        let below = source.join("sub");
        let below = below.to_str().unwrap();
        shell(&format!("mount -t tmpfs x {below}"));
        let bind = |from: &std::path::Path, to: &str, options: &[&str]| json!({"destination": to, "type": "bind", "source": from, "options": options});
        bed.push("/mounts", bind(&source, "/deep", &["rbind", "rro", "rnosuid"]));
        bed.push("/mounts", bind(&source, "/top", &["rbind", "ro"]));
        bed.push("/mounts", bind(&source.join("file"), "/one/file", &["bind", "ro", "noexec"]));
        bed.script(
            "for d in /deep /deep/sub /top /top/sub; do touch $d/x && echo $d; done 2>/dev/null; \
             cat /one/file; echo; echo y > /one/file || echo kept; \
             grep -c 'nosuid' /proc/mounts > /dev/null; grep ' /deep/sub ' /proc/mounts",
        );
        bed.write_config();
        let output = bed.call(&["run", &bed.id]);
        shell(&format!("umount {below}"));
        let (stdout, stderr) = (crate::bed::text(&output.stdout), crate::bed::text(&output.stderr));
        assert!(stdout.starts_with("/top/sub\ncontent\nkept\n"), "{stdout} {stderr}");
        assert!(stdout.contains("/deep/sub tmpfs ro,nosuid"), "{stdout}");
        bed.check_nothing_left();
    });
}

#[test]
fn an_overlay_may_have_more_layers_than_fit_into_its_options() {
    without_new_mount_calls(|| {
        let mut bed = Bed::new();
        let layer = |number: usize| {
            let name = format!("{}-{number}", "long".repeat(40));
            let path = bed.dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(format!("file{number}")), "").unwrap();
            path.to_str().unwrap().to_owned()
        };
        let layers: Vec<String> = (0..40).map(layer).collect();
        let list = layers.join(":");
        assert!(list.len() > 4096);
        for name in ["upper", "work"] {
            fs::create_dir(bed.dir.path().join(name)).unwrap();
        }
        let at = |name: &str| bed.dir.path().join(name).display().to_string();
        let options = json!([
            format!("lowerdir={list}"),
            format!("upperdir={}", at("upper")),
            format!("workdir={}", at("work")),
        ]);
        let upper = bed.dir.path().join("upper");
        bed.push(
            "/mounts",
            json!({"destination": "/o", "type": "overlay", "source": "overlay",
            "options": options}),
        );
        bed.script("ls /o | wc -l; touch /o/new");
        assert_eq!(bed.run(), "40\n");
        assert!(upper.join("new").exists());
        bed.check_nothing_left();
    });
}

#[test]
fn a_volume_hears_of_the_hosts_mounts_and_the_host_of_none_of_ours() {
    without_new_mount_calls(|| {
        for (option, tag) in [("rprivate", ""), ("rslave", "master:")] {
            let mut bed = Bed::new();
            let source = bed.dir.path().join("shared");
            fs::create_dir(&source).unwrap();
            let path = source.to_str().unwrap().to_owned();
            shell(&format!("mount -t tmpfs x {path} && mount --make-shared {path}"));
            bed.push(
                "/mounts",
                json!({"destination": "/v", "type": "bind", "source": path,
                "options": ["rbind", option]}),
            );
            bed.script("grep ' /v ' /proc/self/mountinfo");
            bed.write_config();
            let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let output = bed.call(&["run", &bed.id]);
            let after = fs::read_to_string("/proc/self/mountinfo").unwrap();
            shell(&format!("umount {path}"));
            let own = |table: &str| table.lines().filter(|line| line.contains(&path)).count();
            assert_eq!(own(&before), own(&after));
            let line = crate::bed::text(&output.stdout);
            let tags = ["master:", "shared:"].iter().filter(|tag| line.contains(**tag)).count();
            assert!(line.contains(tag) && tags == usize::from(!tag.is_empty()), "{option}: {line}");
        }
    });
}

#[test]
fn a_user_namespace_a_terminal_and_an_exec_work() {
    without_new_mount_calls(|| {
        let mut bed = Bed::new();
        for path in [bed.dir.path(), &bed.bundle(), &bed.rootfs()] {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        shell(&format!("chown -R 100000:100000 {}", bed.rootfs().display()));
        bed.push("/linux/namespaces", json!({"type": "user"}));
        let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        bed.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
        bed.script("id -u; echo x > /dev/null && echo works; touch /new && echo written");
        assert_eq!(bed.run(), "0\nworks\nwritten\n");
        bed.script("exec sleep 1000").start();
        assert_eq!(bed.ok(&["exec", &bed.id, "id", "-u"]), "0\n");
        bed.ok(&["delete", "--force", &bed.id]);
        bed.check_nothing_left();

        let mut bed = Bed::new();
        bed.set("/process/terminal", json!(true));
        bed.script("tty; stat -c %t:%T /dev/console");
        let output = bed.run();
        assert!(output.contains("/dev/pts/0") && output.contains("88:0"), "{output}");
        bed.check_nothing_left();
    });
}

#[test]
fn what_cannot_be_mounted_is_named() {
    without_new_mount_calls(|| {
        for (kind, options, words) in [
            ("nofs", json!([]), "open the file system \"nofs\": no such device"),
            ("tmpfs", json!(["size=many"]), "make a tmpfs mount with the options \"size=many"),
        ] {
            let mut bed = Bed::new();
            bed.push(
                "/mounts",
                json!({"destination": "/m", "type": kind, "source": "x",
                "options": options}),
            );
            let message = bed.run_err();
            assert!(message.contains(words), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            bed.check_nothing_left();
        }
    });
}

#[test]
fn a_mount_namespace_by_path_is_refused_and_the_host_is_left_alone() {
    without_new_mount_calls(|| {
        let keeper = crate::join::Keeper::new();
        let mut bed = Bed::new();
        let namespaces = json!([{"type": "pid"}, {"type": "uts"},
            {"type": "mount", "path": keeper.namespace()}]);
        bed.set("/linux/namespaces", namespaces);
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let message = bed.run_err();
        assert!(message.contains("a mount namespace given by path"), "{message}");
        let own = |table: &str| table.matches(" / / ").count();
        assert_eq!(own(&fs::read_to_string("/proc/self/mountinfo").unwrap()), own(&before));
        bed.check_nothing_left();
    });
}

fn shell(line: &str) {
    let status = std::process::Command::new("sh").args(["-c", line]).status().unwrap();
    assert!(status.success(), "{line}");
}
