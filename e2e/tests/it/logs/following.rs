//! Those who read a log while it is written: many at once, slow ones, over rotations and the daemon's death; and what somebody
//! did to its files.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;

use gantry_testkit::{Daemon, Running, poll};

use crate::shared::{detached, shared, unique};

const FORMATS: [&str; 2] = ["local", "json-file"];

fn numbers(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

#[test]
fn every_follower_gets_every_line_over_rotations() {
    for driver in FORMATS {
        let name = unique("followed");
        let flags = ["-i", "--log-driver", driver, "--log-opt", "max-size=20k"];
        let flags = [&flags[..], &["--log-opt", "max-file=1000"]].concat();
        detached(&name, &flags, &["sh", "-c", "echo 0; read line; seq 1 30000"]);
        let mut followers: Vec<Running> =
            (0..4).map(|_| shared().gantry(&["logs", "-f", &name]).spawn()).collect();
        for follower in &mut followers {
            follower.until("0\n");
        }
        let mut typing = shared().gantry(&["attach", &name]).spawn_fed();
        typing.write("\n");
        for follower in followers {
            let text = follower.wait().success();
            assert!(numbers(&text) == (0..=30_000).collect::<Vec<_>>(), "{driver}");
        }
        typing.wait();
        assert!(numbers(&shared().ok(&["logs", &name])) == (0..=30_000).collect::<Vec<_>>());
        shared().remove(&[&name]);
    }
}

#[test]
fn following_ends_at_its_moment_while_the_container_goes_on() {
    for driver in FORMATS {
        let name = unique("until");
        detached(&name, &["--log-driver", driver], &["sh", "-c", "echo one; sleep 1000"]);
        let mut first = shared().gantry(&["logs", "-f", &name]).spawn();
        first.until("one");
        shared().gantry(&["logs", "-f", "--until", "0s", &name]).run().exits(0).prints("one\n");
        assert_eq!(shared().inspect(&name)["State"]["Running"], true);
        shared().remove(&[&name]);
        first.wait();
    }
}

#[test]
fn a_reader_that_takes_its_time_holds_nobody_up() {
    let name = unique("slowly");
    detached(&name, &["-i"], &["sh", "-c", "seq 1 100000; read line; echo end"]);
    let mut slow = UnixStream::connect(shared().socket()).unwrap();
    let target = format!("/containers/{name}/logs?stdout=1&follow=1");
    std::io::Write::write_all(
        &mut slow,
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
    )
    .unwrap();
    let mut first = [0; 64];
    slow.read_exact(&mut first).unwrap();
    // It reads nothing more, while the container and others go on.
    let mut typing = shared().gantry(&["attach", &name]).spawn_fed();
    typing.write("\n");
    shared().ok(&["wait", &name]);
    typing.wait();
    assert_eq!(shared().ok(&["logs", &name]).lines().count(), 100_001);
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    let text = String::from_utf8_lossy(&rest);
    assert!(text.contains("100000\n") && text.contains("end\n"), "it gets all of it");
    shared().remove(&[&name]);
}

#[test]
fn no_line_is_lost_or_doubled_when_the_daemon_is_killed_under_load() {
    for driver in FORMATS {
        let daemon = Daemon::with_busybox();
        let run = ["run", "-d", "--network", "none", "--name", "busy", "--log-driver", driver];
        let options = ["--log-opt", "max-size=100k", "--log-opt", "max-file=5000"];
        let script = "trap end=1 USR1; i=0; while [ ! \"$end\" ]; do i=$((i+1)); echo $i; done";
        daemon.ok(&[&run[..], &options, &["busybox", "sh", "-c", script]].concat());
        let mut seen = 0;
        for _ in 0..3 {
            let mut following = daemon.gantry(&["logs", "-f", "--tail", "1", "busy"]).spawn();
            let behind = seen + 20_000;
            poll("lines", || {
                seen = numbers(&following.stdout()).last().copied().unwrap_or(0);
                (seen > behind).then_some(())
            });
            daemon.kill();
            poll("the follower to end", || following.ended().then_some(()));
            let followed = numbers(&following.wait().stdout);
            // The last may be cut.
            let whole = &followed[..followed.len() - 1];
            assert!(whole.windows(2).all(|pair| pair[1] == pair[0] + 1), "{driver}");
            daemon.start_again();
        }
        daemon.ok(&["kill", "--signal", "USR1", "busy"]);
        daemon.ok(&["wait", "busy"]);
        let all = numbers(&daemon.ok(&["logs", "busy"]));
        assert!(all == (1..=all.len() as u64).collect::<Vec<_>>(), "{driver}");
        daemon.remove(&["busy"]);
    }
}

/// The newest file of a container's log.
fn newest(name: &str, driver: &str) -> PathBuf {
    let id = shared().inspect(name)["Id"].as_str().unwrap().to_owned();
    let dir = shared().data_root().join("containers").join(id);
    if driver == "json-file" {
        return dir.join("json.log");
    }
    let files = fs::read_dir(dir.join("log")).unwrap();
    files.map(|file| file.unwrap().path()).max().unwrap()
}

#[test]
fn what_somebody_did_to_the_files_costs_those_lines_alone() {
    for driver in FORMATS {
        let name = unique("damaged");
        let script = "seq 1 1000; read line; seq 1001 2000; read line; echo 3000";
        detached(&name, &["-i", "--log-driver", driver], &["sh", "-c", script]);
        let last = |line: &str| {
            poll(line, || (shared().ok(&["logs", "-n", "1", &name]) == line).then_some(()));
        };
        last("1000");
        let path = newest(&name, driver);
        // Emptied while it is written.
        fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        assert_eq!(shared().ok(&["logs", &name]), "");
        let mut typing = shared().gantry(&["attach", &name]).spawn_fed();
        typing.write("\n");
        last("2000");
        assert!(numbers(&shared().ok(&["logs", &name])) == (1001..=2000).collect::<Vec<_>>());
        // Overwritten in its middle.
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 100].fill(0xff);
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
        shared().gantry(&["logs", &name]).run().exits(0);
        typing.write("\n");
        last("3000");
        typing.wait();
        // Cut in the middle of something.
        shared().ok(&["wait", &name]);
        file.set_len(middle as u64 - 7).unwrap();
        shared().gantry(&["logs", &name]).run().exits(0);
        shared().remove(&[&name]);
    }
}

#[test]
fn lines_of_ten_megabytes() {
    for driver in FORMATS {
        let name = unique("long");
        let script = "head -c 10485760 /dev/zero | tr '\\0' y; echo; echo next";
        detached(&name, &["--log-driver", driver], &["sh", "-c", script]);
        shared().ok(&["wait", &name]);
        let text = shared().gantry(&["logs", &name]).run().success();
        assert!(text.len() > 10 << 20 && text.ends_with("y\nnext"), "{driver}: {}", text.len());
        shared().remove(&[&name]);
    }
}

#[test]
fn what_is_full_is_compressed_and_read_all_the_same() {
    for driver in FORMATS {
        let name = unique("full");
        let flags = ["-i", "--log-driver", driver, "--log-opt", "max-size=50k"];
        let flags = [&flags[..], &["--log-opt", "max-file=100", "--log-opt", "compress=true"]];
        detached(&name, &flags.concat(), &["sh", "-c", "seq 1 50000; read line"]);
        poll("files to be compressed", || {
            let folder = newest(&name, driver).parent().unwrap().to_owned();
            let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
            let compressed = names.filter(|it| it.to_string_lossy().ends_with(".gz")).count();
            (compressed > 2).then_some(())
        });
        assert!(numbers(&shared().ok(&["logs", &name])) == (1..=50_000).collect::<Vec<_>>());
        let tail = shared().ok(&["logs", "-n", "30000", &name]);
        assert!(numbers(&tail) == (20_001..=50_000).collect::<Vec<_>>(), "{driver}");
        shared().remove(&[&name]);
    }
}

#[test]
fn bytes_that_are_no_text_are_kept_as_they_are() {
    let name = unique("binary");
    let script = "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %03o $i)\"; i=$((i+1)); done";
    detached(&name, &["--log-driver", "local"], &["sh", "-c", script]);
    shared().ok(&["wait", &name]);
    let path = shared().scratch("log");
    let file = fs::File::create(&path).unwrap();
    let mut logs = std::process::Command::new(gantry_testkit::Binaries::find().path("gantry"));
    logs.args(["-H", &shared().host(), "logs", &name]).stdout(Stdio::from(file));
    assert!(logs.status().unwrap().success());
    assert_eq!(fs::read(&path).unwrap(), (0..=255).collect::<Vec<u8>>());
    shared().remove(&[&name]);
}
