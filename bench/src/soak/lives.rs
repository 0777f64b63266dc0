//! Whole lives of containers, with everything that goes on in them: networks, volumes, execs, copies, logs, probes, pauses, and
//! commands that fail. Each step is one operation; each has one right answer.

use gantry_testkit::{Daemon, Tar};
use serde_json::{Value, json};

/// One worker's lives, one after the other.
pub(super) struct Lives<'a> {
    pub daemon: &'a Daemon,
    pub worker: u32,
    /// Operations that were done.
    pub done: u32,
}

/// Says lines until it is asked to end, and is well unless a file says otherwise.
const SCRIPT: &str = "trap 'echo end; exit 7' TERM; echo begin; while :; do sleep 0.05; done";

impl Lives<'_> {
    /// Lives until so many operations are done.
    pub(super) fn work(&mut self, operations: u32) -> u32 {
        let mut life = 0;
        while self.done < operations {
            life += 1;
            self.live(life);
        }
        self.done
    }

    fn live(&mut self, life: u32) {
        let name = format!("soak-{}-{life}", self.worker);
        self.ask(("POST", "/volumes/create"), Some(&json!({"Name": name})), 201);
        // A network of its own now and then: each costs the host a bridge.
        let own_network = life.is_multiple_of(4);
        if own_network {
            self.ask(("POST", "/networks/create"), Some(&json!({"Name": name})), 201);
        }
        let network = if own_network { name.as_str() } else { "bridge" };
        let id = self.create(&name, network, &["sh", "-c", SCRIPT]);
        let at = |verb: &str| format!("/containers/{id}/{verb}");
        self.post(&at("start"), 204);
        self.until(&at("logs?stdout=1"), "begin");
        self.exec(&id, &["sh", "-c", "echo kept >/v/file; exit 5"], 5);
        self.exec(&id, &["no-such-program"], 127);
        let tar = Tar::new().file("in", 0o644, &[b'x'; 10_000]).finish();
        self.send(("PUT", &at("archive?path=/tmp")), &tar, 200);
        self.get(&at("archive?path=/tmp/in"), 200);
        self.get(&at("archive?path=/no/such/file"), 404);
        self.get(&at("stats?stream=0&one-shot=1"), 200);
        self.get(&at("top"), 200);
        self.get(&at("changes"), 200);
        self.get("/containers/json?all=1", 200);
        match life % 3 {
            0 => {
                self.post(&at("pause"), 204);
                self.post(&at("unpause"), 204);
                self.post(&at("kill"), 204);
            }
            1 => self.post(&at("stop?t=20"), 204),
            _ => self.post(&at("restart?t=20"), 204),
        }
        self.post(&format!("{}?name={name}-later", at("rename")), 204);
        self.fail(&name, life);
        self.delete(&format!("/containers/{id}?force=1"), 204);
        self.delete(&format!("/volumes/{name}"), 204);
        if own_network {
            self.delete(&format!("/networks/{name}"), 204);
        }
    }

    /// One that cannot start, or ends at once and starts again by its policy.
    fn fail(&mut self, name: &str, life: u32) {
        let (command, network) =
            if life.is_multiple_of(2) { ("no-such-program", "bridge") } else { ("false", "none") };
        let id = self.create(&format!("{name}-failing"), network, &[command]);
        let status = if command == "false" { 204 } else { 400 };
        self.post(&format!("/containers/{id}/start"), status);
        if status == 204 {
            self.until(&format!("/containers/{id}/json"), r#""Status":"exited""#);
        }
        self.delete(&format!("/containers/{id}"), 204);
    }

    fn create(&mut self, name: &str, network: &str, command: &[&str]) -> String {
        let probe = json!({"Test": ["CMD", "true"], "Interval": 100_000_000, "Retries": 1});
        let policy = json!({"Name": "on-failure", "MaximumRetryCount": 1});
        let (binds, is_failing) = (format!("{name}:/v"), name.ends_with("failing"));
        let host = if is_failing {
            json!({"NetworkMode": network, "RestartPolicy": policy})
        } else {
            json!({"NetworkMode": network, "Binds": [binds]})
        };
        let mut body = json!({"Image": "busybox", "Cmd": command, "HostConfig": host});
        if !is_failing {
            body["Healthcheck"] = probe;
        }
        let made = self.ask(("POST", &format!("/containers/create?name={name}")), Some(&body), 201);
        made["Id"].as_str().unwrap_or_default().to_owned()
    }

    fn exec(&mut self, id: &str, command: &[&str], code: i64) {
        let body = json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true});
        let made = self.ask(("POST", &format!("/containers/{id}/exec")), Some(&body), 201);
        let exec = made["Id"].as_str().unwrap_or_default().to_owned();
        let start = format!("/exec/{exec}/start");
        let reply = self.daemon.http("POST", &start, br#"{"Detach":false}"#);
        self.done += 1;
        assert!(matches!(reply.status, 200 | 400), "{start}: {} {}", reply.status, reply.text());
        let end = self.ask(("GET", &format!("/exec/{exec}/json")), None, 200);
        assert_eq!(end["ExitCode"], code, "{command:?}: {end}");
    }

    fn until(&self, target: &str, words: &str) {
        gantry_testkit::poll(&format!("{target} to say {words:?}"), || {
            self.daemon.http("GET", target, &[]).text().contains(words).then_some(())
        });
    }

    fn get(&mut self, target: &str, status: u16) {
        self.send(("GET", target), &[], status);
    }

    fn post(&mut self, target: &str, status: u16) {
        self.send(("POST", target), &[], status);
    }

    fn delete(&mut self, target: &str, status: u16) {
        self.send(("DELETE", target), &[], status);
    }

    fn ask(&mut self, request: (&str, &str), body: Option<&Value>, status: u16) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        serde_json::from_slice(&self.send(request, body.as_bytes(), status)).unwrap_or_default()
    }

    fn send(&mut self, (method, target): (&str, &str), body: &[u8], status: u16) -> Vec<u8> {
        let reply = self.daemon.http(method, target, body);
        assert_eq!(reply.status, status, "{method} {target}: {}", reply.text());
        self.done += 1;
        reply.body
    }
}
