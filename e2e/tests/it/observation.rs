//! What can be seen from the outside: events, processes, figures, and streams over a web socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use gantry_testkit::{Daemon, poll};
use serde_json::Value;

use crate::shared::{detached, shared, unique};

#[test]
fn events_come_as_they_happen_and_again_afterwards() {
    let name = unique("events");
    let filter = format!("container={name}");
    let mut listening = shared().gantry(&["events", "--filter", &filter]).spawn();
    // The listener is there when it hears of this one.
    let probe = unique("events-probe");
    poll("the listener", || {
        detached(&name, &[], &["true"]);
        shared().ok(&["wait", &name]);
        shared().ok(&["rename", &name, &probe]);
        shared().ok(&["rename", &probe, &name]);
        shared().remove(&[&name]);
        listening.stdout().contains("destroy").then_some(())
    });
    assert!(listening.stdout().contains(&format!("name={name})")), "{}", listening.stdout());
    assert!(!listening.ended());
    let again =
        [&["events", "--since", "1h", "--until", "0s"][..], &["--filter", &filter]].concat();
    let lines = shared().ok(&[&again[..], &["--format", "json"]].concat());
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let die = events.iter().find(|event| event["Action"] == "die").unwrap();
    assert_eq!(die["Actor"]["Attributes"]["exitCode"], "0");
    assert_eq!(die["Actor"]["Attributes"]["image"], "busybox");
    let rename = events.iter().find(|event| event["Action"] == "rename").unwrap();
    assert!(rename["Actor"]["Attributes"]["oldName"].as_str().unwrap().starts_with('/'));
}

#[test]
fn copies_commits_and_prunes_are_told() {
    let name = unique("told");
    let label = format!("told={name}");
    let id = detached(&name, &["--label", &label], &["sh", "-c", "echo x > /made; sleep 1000"]);
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    poll("its file", || {
        let copied = shared().gantry(&["cp", &format!("{name}:/made"), copy.to_str()?]).run();
        (copied.code == 0).then_some(())
    });
    shared().ok(&["cp", copy.to_str().unwrap(), &format!("{name}:/back")]);
    shared().ok(&["commit", "-m", "a note", &name, &name]);
    shared().ok(&["rm", "-f", &name]);
    shared().ok(&["container", "prune", "-f", "--filter", &format!("label={label}")]);
    let all = ["events", "--since", "1h", "--until", "0s", "--format", "json"];
    let lines = shared().ok(&all);
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |action: &str, test: &dyn Fn(&Value) -> bool| {
        assert!(
            events.iter().any(|event| event["Action"] == action && test(event)),
            "{action}: {lines}"
        );
    };
    let is_its = |event: &Value| event["Actor"]["ID"] == id.as_str();
    has("archive-path", &is_its);
    has("extract-to-dir", &is_its);
    has("commit", &|event| {
        let attributes = &event["Actor"]["Attributes"];
        is_its(event)
            && attributes["comment"] == "a note"
            && attributes["imageRef"] == format!("{name}:latest")
    });
    has("tag", &|event| event["Actor"]["Attributes"]["name"] == format!("{name}:latest"));
    has("prune", &|event| {
        event["Type"] == "container" && event["Actor"]["Attributes"]["reclaimed"].is_string()
    });
    shared().ok(&["rmi", &name]);
}

#[test]
fn older_clients_see_three_fields_more() {
    let name = unique("old-events");
    detached(&name, &[], &["true"]);
    let read = |version: &str| {
        let target = format!("/{version}/events?since=1&until=2000000001&filters={{}}");
        let end = gantry_sys_now();
        let target = target.replace("2000000001", &end);
        let reply = shared().http("GET", &target, &[]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let lines = reply.text();
        let wanted = format!("\"name\":\"{name}\"");
        let line = lines.lines().find(|line| line.contains(&wanted)).unwrap().to_owned();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let old = read("v1.50");
    assert_eq!((&old["status"], &old["from"]), (&old["Action"], &"busybox".into()));
    assert_eq!(old["id"], old["Actor"]["ID"]);
    shared().remove(&[&name]);
}

/// Seconds since 1970, as text.
fn gantry_sys_now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}

#[test]
fn nonsense_in_a_question_for_events_is_named() {
    let error = shared().http("GET", "/events?since=soon", &[]).error(400);
    assert!(error.contains("since") && error.contains("soon"), "{error}");
    let filters = "/events?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D";
    assert!(shared().http("GET", filters, &[]).error(400).contains("colour"));
}

#[test]
fn top_shows_the_columns_that_are_asked_for() {
    let name = unique("top");
    detached(&name, &[], &["sh", "-c", "sleep 1234 & wait"]);
    let table = poll("both processes", || {
        let table = shared().ok(&["top", &name]);
        (table.lines().count() == 3).then_some(table)
    });
    assert!(table.starts_with("UID") && table.contains("sleep 1234"), "{table}");
    let table = shared().ok(&["top", &name, "-o", "pid,user,comm"]);
    assert!(table.starts_with("PID") && table.contains("root"), "{table}");
    shared().ok(&["top", &name, "aux"]);
    shared().gantry(&["top", &name, "-o", "nonsense"]).run().exits(1).complains("nonsense");
    shared().ok(&["kill", &name]);
    shared().gantry(&["top", &name]).run().exits(1).complains("is not running");
    shared().remove(&[&name]);
}

#[test]
fn stats_have_a_sample_before_unless_they_must_not() {
    let name = unique("stats");
    detached(&name, &[], &["sh", "-c", "while :; do :; done"]);
    let get = |query: &str| {
        shared().http("GET", &format!("/containers/{name}/stats?{query}"), &[]).json()
    };
    let one = get("stream=0&one-shot=1");
    assert_eq!(one["precpu_stats"]["cpu_usage"]["total_usage"], 0);
    assert_eq!(one["precpu_stats"].get("system_cpu_usage"), None);
    let two = get("stream=0");
    assert!(two["precpu_stats"]["system_cpu_usage"].as_u64() > Some(0), "{two}");
    assert!(two["memory_stats"]["usage"].as_u64() > Some(0), "{two}");
    assert_eq!(two["name"], format!("/{name}"));
    let table = shared().ok(&["stats", "--no-stream", &name]);
    assert!(table.starts_with("CONTAINER ID") && table.contains(&name), "{table}");
    let cpu = shared().ok(&["stats", "--no-stream", "--format", "{{.CPUPerc}}", &name]);
    let cpu: f64 = cpu.trim_end_matches('%').parse().unwrap();
    assert!(cpu > 1.0, "a busy loop takes {cpu}% of a processor");
    shared().ok(&["kill", &name]);
    assert_eq!(get("stream=0")["read"], "0001-01-01T00:00:00Z");
    shared().remove(&[&name]);
}

#[test]
fn lists_can_be_filtered_by_anything_docker_knows() {
    let name = unique("filters");
    let id = detached(&name, &["--expose", "8080/tcp", "-l", "x=y"], &["sleep", "1000"]);
    let own = format!("name={name}");
    let finds = |filter: &str| {
        let words = ["ps", "-aq", "--no-trunc", "--filter", &own, "--filter", filter];
        shared().ok(&words) == id
    };
    for filter in [
        "expose=8080",
        "expose=8000-9000/tcp",
        "health=none",
        "isolation=default",
        "is-task=false",
        "status=running",
        "network=none",
        "ancestor=busybox",
    ] {
        assert!(finds(filter), "{filter}");
    }
    for filter in ["expose=81", "publish=8080", "health=healthy", "is-task=true", "volume=x"] {
        assert!(!finds(filter), "{filter}");
    }
    shared().gantry(&["ps", "--filter", "health=well"]).run().exits(1).complains("health=well");
    shared().remove(&[&name]);
}

#[test]
fn execs_are_found_again_by_the_next_daemon() {
    let daemon = Daemon::with_busybox();
    daemon.ok(&["run", "-d", "--network", "none", "--name", "one", "busybox", "sleep", "1000"]);
    let script = "while [ ! -e /tmp/end ]; do sleep 0.02; done; exit 7";
    let body = format!(r#"{{"Cmd":["sh","-c","{script}"]}}"#);
    let made = daemon.http("POST", "/containers/one/exec", body.as_bytes()).json();
    let id = made["Id"].as_str().unwrap().to_owned();
    let started = daemon.http("POST", &format!("/exec/{id}/start"), br#"{"Detach":true}"#);
    assert_eq!(started.status, 200, "{}", started.text());
    daemon.kill();
    daemon.start_again();
    let inspect = || daemon.http("GET", &format!("/exec/{id}/json"), &[]).json();
    let found = inspect();
    assert_eq!(
        (&found["Running"], &found["ContainerID"]),
        (&true.into(), &daemon.inspect("one")["Id"])
    );
    assert!(found["Pid"].as_i64() > Some(0), "{found}");
    daemon.ok(&["exec", "one", "touch", "/tmp/end"]);
    let code = poll("its end", || inspect()["ExitCode"].as_i64());
    assert_eq!(code, 7);
    let events =
        daemon.ok(&["events", "--since", "1h", "--until", "0s", "--filter", "event=exec_die"]);
    assert!(events.contains("exitCode=7"), "{events}");
}

#[test]
fn a_web_socket_carries_both_directions() {
    let name = unique("socket");
    detached(&name, &["-i"], &["cat"]);
    let mut stream = UnixStream::connect(shared().socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let target = format!("/containers/{name}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1");
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    // A masked text frame; with a mask of zeros the bytes are as they are.
    stream.write_all(b"\x81\x83\0\0\0\0hi\n").unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"\x82\x03hi\n");
    stream.write_all(b"\x88\x80\0\0\0\0").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x88\x02\x03\xe8");
    let refused = shared().http("GET", &target, &[]).error(400);
    assert!(refused.contains("web socket"), "{refused}");
    shared().remove(&[&name]);
}

#[test]
fn details_of_a_log_are_what_its_options_name() {
    let name = unique("details");
    let options = ["labels=tier,absent", "env=COLOUR", "tag={{.Name}}"];
    let mut flags = vec!["-l", "tier=front", "-e", "COLOUR=light blue", "--log-driver", "local"];
    for option in options {
        flags.extend(["--log-opt", option]);
    }
    detached(&name, &flags, &["echo", "hi"]);
    shared().ok(&["wait", &name]);
    let line = format!("COLOUR=light+blue,tag={name},tier=front hi");
    assert_eq!(shared().ok(&["logs", "--details", &name]), line);
    assert_eq!(shared().inspect(&name)["HostConfig"]["LogConfig"]["Type"], "local");
    shared().remove(&[&name]);
    for (option, words) in
        [("mode=slow", "non-blocking"), ("compress=so", "compress"), ("x=y", "'x'")]
    {
        let words_ = ["create", "--network", "none", "--log-opt", option, "busybox", "true"];
        let outcome = shared().gantry(&words_).run();
        assert_ne!(outcome.code, 0, "{option}");
        outcome.complains(words);
    }
}

#[test]
fn docker_s_own_command_line_sees_all_of_it() {
    let name = unique("docker-sees");
    let docker = |words: &[&str]| shared().docker(words).run().success();
    let run = ["run", "-d", "--network", "none", "--restart", "always", "--health-cmd", "true"];
    let rest = ["--health-interval", "50ms", "--name", &name, "busybox", "sleep", "1000"];
    docker(&[&run[..], &rest].concat());
    poll("health", || docker(&["ps"]).contains("(healthy)").then_some(()));
    assert!(docker(&["top", &name]).contains("sleep 1000"));
    assert!(docker(&["stats", "--no-stream", &name]).contains(&name));
    docker(&["update", "--memory", "64m", "--memory-swap", "64m", "--restart", "no", &name]);
    docker(&["pause", &name]);
    let format = "{{.State.Status}} {{.State.Health.Status}} {{.HostConfig.RestartPolicy.Name}}";
    assert_eq!(docker(&["inspect", "-f", format, &name]), "paused healthy no");
    docker(&["unpause", &name]);
    docker(&["stop", "-t", "0", &name]);
    let filter = format!("container={name}");
    let words = ["events", "--since", "1h", "--until", "0s", "--filter", &filter];
    // Its `--until` has whole seconds, so that what is new comes a little later.
    let events = poll("all events", || {
        let events = docker(&[&words[..], &["--format", "{{.Action}}"]].concat());
        events.lines().any(|line| line == "stop").then_some(events)
    });
    for action in [
        "create",
        "start",
        "health_status: healthy",
        "top",
        "update",
        "pause",
        "unpause",
        "die",
        "stop",
    ] {
        assert!(events.lines().any(|line| line == action), "{action} is not among\n{events}");
    }
    shared().remove(&[&name]);
}
