//! What Compose shows of an application: lists, logs, events, processes, ports, files.

use std::fs;

use gantry_testkit::poll;
use serde_json::Value;

use super::with_each;

#[test]
fn lists_processes_ports_and_files() {
    with_each(|shop| {
        shop.ok(&["up", "-d", "--wait"]);
        let listed = shop.ok(&["ps", "-a", "--format", "json"]);
        let rows: Vec<Value> =
            listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let row = |service: &str| rows.iter().find(|row| row["Service"] == service).unwrap();
        assert_eq!(
            (&row("web")["State"], &row("web")["Health"]),
            (&"running".into(), &"healthy".into())
        );
        assert_eq!(row("migrate")["ExitCode"], 0);
        assert_eq!(row("web")["Publishers"][0]["PublishedPort"], 8080);
        assert!(shop.ok(&["ps"]).contains("(healthy)"));
        assert_eq!(shop.ok(&["ps", "--services", "--status", "running"]).lines().count(), 2);
        assert!(shop.ok(&["ls"]).contains("shop"));
        assert!(shop.ok(&["top", "web"]).contains("httpd"));
        assert_eq!(shop.ok(&["port", "web", "80"]), "0.0.0.0:8080");
        let images = shop.ok(&["images", "--format", "json"]);
        assert!(images.contains("\"Repository\":\"busybox\""), "{images}");
        assert!(shop.ok(&["stats", "--no-stream", "web"]).contains("shop-web-1"));
        let volumes = shop.run(&["volumes"]);
        assert!(volumes.code != 0 || volumes.stdout.contains("shop_data"), "{volumes}");
        // Files, both ways.
        let file = shop.folder.join("in");
        fs::write(&file, "copied\n").unwrap();
        shop.ok(&["cp", "in", "web:/scratch/in"]);
        assert_eq!(shop.ok(&["exec", "-T", "web", "cat", "/scratch/in"]), "copied");
        shop.ok(&["cp", "web:/www/settings", "out"]);
        assert_eq!(fs::read_to_string(shop.folder.join("out")).unwrap(), "colour=red\n");
        let inside = ["exec", "-T", "-e", "A=1", "-w", "/tmp", "-u", "app", "web"];
        let script = ["sh", "-c", "echo $A; pwd; id -u; exit 6"];
        shop.run(&[&inside[..], &script].concat()).exits(6).prints("1\n/tmp\n1000\n");
        shop.ok(&["export", "-o", "root.tar", "web"]);
        assert!(fs::metadata(shop.folder.join("root.tar")).unwrap().len() > 1 << 20);
        shop.ok(&["commit", "web", "shop-committed:1"]);
        assert_eq!(shop.daemon.http("GET", "/images/shop-committed:1/json", &[]).status, 200);
        shop.ok(&["down", "-v", "--timeout", "1"]);
        shop.is_gone();
    });
}

#[test]
fn logs_and_events_come_as_they_happen() {
    with_each(|shop| {
        let mut events = shop.invocation(&["events", "--json"]).spawn();
        let profile = ["--profile", "extra"];
        poll("the listener", || {
            shop.ok(&[&profile[..], &["up", "-d", "worker"]].concat());
            shop.ok(&[&profile[..], &["restart", "-t", "0", "worker"]].concat());
            events.stdout().contains("\"action\":\"start\"").then_some(())
        });
        assert!(!events.ended());
        let mut logs = shop.invocation(&[&profile[..], &["logs", "-f", "worker"]].concat()).spawn();
        logs.until("working");
        // One that comes later is followed as well.
        shop.ok(&[&profile[..], &["up", "-d", "--scale", "worker=3", "worker"]].concat());
        logs.until("worker-3");
        let tail = shop.ok(&[&profile[..], &["logs", "--tail", "1", "-t", "worker"]].concat());
        assert!(tail.lines().all(|line| line.contains("working")), "{tail}");
        shop.ok(&[&profile[..], &["down", "-v", "--timeout", "0"]].concat());
        events.until("\"action\":\"destroy\"");
        let lines = events.stdout();
        let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!((&first["type"], &first["service"]), (&"container".into(), &"worker".into()));
        shop.is_gone();
    });
}

#[test]
fn up_in_the_foreground_shows_output_and_ends_with_the_service() {
    with_each(|shop| {
        let jobs = "name: shop\nservices:\n  job:\n    image: busybox\n    \
                    command: [sh, -c, 'echo from the job; sleep 0.5; exit 5']\n  \
                    other:\n    image: busybox\n    init: true\n    command: [sh, -c, 'echo beside; exec sleep 1000']\n";
        fs::write(shop.folder.join("compose.yaml"), jobs).unwrap();
        let up = shop.run(&["up", "--timeout", "1", "--exit-code-from", "job"]);
        up.exits(5);
        assert!(up.stdout.contains("from the job") && up.stdout.contains("beside"), "{up}");
        shop.ok(&["down", "-v", "--timeout", "1"]);
        shop.is_gone();
    });
}
