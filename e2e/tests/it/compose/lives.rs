//! An application comes up in its order, is scaled, and goes; parts of it are stopped, started, paused and run once.

use std::fs;

use gantry_testkit::poll;

use super::with_each;

#[test]
fn an_application_comes_up_in_its_order_and_goes() {
    with_each(|shop| {
        shop.ok(&["up", "--wait", "--wait-timeout", "50"]);
        assert_eq!(shop.page(""), "welcome\n");
        assert_eq!(shop.page("settings"), "colour=red\n");
        assert_eq!(shop.page("data/schema"), "migrated\n");
        assert_eq!(shop.page("data/password"), "open sesame");
        let web = shop.daemon.inspect("shop-web-1");
        assert_eq!(web["State"]["Health"]["Status"], "healthy");
        assert_eq!(web["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
        assert_eq!(shop.daemon.inspect("shop-migrate-1")["State"]["ExitCode"], 0);
        let networks = web["NetworkSettings"]["Networks"].as_object().unwrap();
        assert_eq!(networks.keys().collect::<Vec<_>>(), ["shop_back", "shop_front"]);
        // Nobody asked for the worker.
        assert_eq!(shop.ids("worker").len(), 0);
        shop.ok(&["down", "--timeout", "1"]);
        let volumes = shop.listed("/volumes?")["Volumes"].clone();
        assert_eq!(volumes.as_array().unwrap().len(), 1, "volumes outlive `down`: {volumes}");
        // What the volume has is there again.
        shop.ok(&["up", "--wait", "db"]);
        assert_eq!(shop.ok(&["exec", "db", "cat", "/data/schema"]), "migrated");
        shop.ok(&["down", "-v", "--timeout", "1"]);
        shop.is_gone();
    });
}

#[test]
fn services_are_scaled_and_profiles_asked_for() {
    with_each(|shop| {
        shop.ok(&["--profile", "extra", "up", "-d", "worker"]);
        assert_eq!(shop.ids("worker").len(), 2);
        let worker = shop.daemon.inspect("shop-worker-2");
        assert_eq!(worker["HostConfig"]["Memory"], 67_108_864);
        assert_eq!(worker["HostConfig"]["NanoCpus"], 500_000_000);
        shop.ok(&["up", "-d", "--scale", "worker=4", "worker"]);
        assert_eq!(shop.ids("worker").len(), 4);
        shop.ok(&["scale", "worker=1"]);
        assert_eq!(shop.ids("worker").len(), 1);
        shop.ok(&["--profile", "extra", "down", "-v", "--timeout", "1"]);
        shop.is_gone();
    });
}

#[test]
fn parts_are_stopped_started_paused_and_run_once() {
    with_each(|shop| {
        shop.ok(&["create"]);
        assert_eq!(shop.daemon.inspect("shop-db-1")["State"]["Status"], "created");
        shop.ok(&["start", "db"]);
        poll("the database", || {
            let state = shop.daemon.inspect("shop-db-1")["State"].clone();
            (state["Health"]["Status"] == "healthy").then_some(())
        });
        shop.ok(&["pause", "db"]);
        assert_eq!(shop.daemon.inspect("shop-db-1")["State"]["Paused"], true);
        shop.ok(&["unpause", "db"]);
        shop.ok(&["restart", "-t", "1", "db"]);
        shop.ok(&["stop", "-t", "1", "db"]);
        assert_eq!(shop.daemon.inspect("shop-db-1")["State"]["Running"], false);
        shop.ok(&["rm", "-f", "db"]);
        assert_eq!(shop.ids("db").len(), 0);
        let once = ["run", "--rm", "--no-deps", "-T", "-e", "WORD=own", "web", "sh", "-c"];
        let said = shop.run(&[&once[..], &["echo $WORD; cat; exit 3"]].concat());
        said.exits(3).prints("own\n");
        let fed = shop.invocation(&["run", "--rm", "--no-deps", "-T", "web", "wc", "-c"]);
        assert_eq!(fed.input("12345").run().success().trim(), "5");
        // It waits for what runs only; where it was not there yet when the container ended, once more.
        let waited = poll("the end", || {
            shop.ok(&["up", "-d", "--wait", "db"]);
            let mut waiting = shop.invocation(&["wait", "db"]).spawn();
            poll("the kill", || {
                (shop.run(&["kill", "-s", "KILL", "db"]).code != 0 || waiting.ended()).then_some(())
            });
            Some(waiting.wait()).filter(|waited| !waited.stdout.is_empty())
        });
        assert!(waited.exits(137).stdout.contains("137"), "{waited}");
        shop.ok(&["down", "-v", "--timeout", "1", "--remove-orphans"]);
        shop.is_gone();
    });
}

#[test]
fn what_cannot_come_up_is_told() {
    with_each(|shop| {
        let broken = "services:\n  bad:\n    image: busybox\n    command: [\"sh\", \"-c\", \"exit 7\"]\n  after:\n    image: busybox\n    \
                      command: [\"true\"]\n    depends_on: {bad: {condition: service_completed_successfully}}\n";
        fs::write(shop.folder.join("broken.yaml"), broken).unwrap();
        let file = ["-f", "broken.yaml", "-p", "shop"];
        let up = shop.run(&[&file[..], &["up", "-d"]].concat());
        up.exits(1).complains("didn't complete successfully: exit 7");
        shop.ok(&[&file[..], &["down", "-v"]].concat());
        let missing = "services:\n  bad:\n    image: 127.0.0.1:1/none\n    pull_policy: never\n";
        fs::write(shop.folder.join("broken.yaml"), missing).unwrap();
        shop.run(&[&file[..], &["up", "-d"]].concat()).exits(1).complains("127.0.0.1:1/none");
        shop.ok(&[&file[..], &["down", "-v"]].concat());
        shop.is_gone();
    });
}
