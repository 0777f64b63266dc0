//! Commands that speak with registries, by both command lines at the same ones.

use std::fs;
use std::path::PathBuf;

use gantry_testkit::{
    Daemon, Image, Invocation, Layer, MadeRegistry, Outcome, Registry, Reply, Tar, busybox_layer,
};
use serde_json::json;

use super::{normal, said};

struct Desk {
    daemon: Daemon,
    registry: Registry,
    home: PathBuf,
}

impl Desk {
    fn new(registry: Registry) -> Self {
        let daemon = Daemon::start();
        let home = daemon.scratch("home");
        fs::create_dir_all(&home).unwrap();
        Self { daemon, registry, home }
    }

    fn in_home(&self, invocation: Invocation) -> Outcome {
        let settings = self.home.join(".docker");
        invocation.env("HOME", &self.home).env("DOCKER_CONFIG", settings).run()
    }

    /// `@` stands for the registry.
    fn both(&self, line: &[&str]) -> [Outcome; 2] {
        [true, false].map(|ours| self.run(ours, line))
    }

    fn run(&self, ours: bool, line: &[&str]) -> Outcome {
        let words: Vec<String> =
            line.iter().map(|word| word.replace('@', self.registry.address())).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let invocation = if ours {
            self.daemon.gantry(&words).env("DOCKER_API_VERSION", "1.50")
        } else {
            self.daemon.docker(&words)
        };
        self.in_home(invocation)
    }

    /// Both print the same lines and end the same, each after `before`. Layers come in any order.
    #[track_caller]
    fn alike(&self, before: &[&[&str]], line: &[&str]) {
        let [ours, theirs] = [true, false].map(|ours| {
            for line in before {
                self.run(true, line);
            }
            let (code, stdout, stderr) = said(&self.run(ours, line));
            let mut lines: Vec<String> = normal(&stdout).lines().map(str::to_owned).collect();
            // Whether a figure comes between depends on the time that a layer takes.
            lines.retain(|line| !line.contains(": Waiting") && !line.contains(": Download"));
            lines.retain(|line| !line.contains(": Verifying") && !line.contains(": Extracting"));
            lines.sort();
            lines.dedup();
            (code, lines, normal(&stderr))
        });
        assert_eq!(ours, theirs, "{line:?}");
    }
}

fn image(name: &str) -> Image {
    let own = Tar::new().file("own", 0o644, name.as_bytes()).finish();
    let layer = |tar| Layer { tar, gzip: true };
    Image {
        name: name.to_owned(),
        layers: vec![layer(busybox_layer()), layer(own)],
        config: json!({"Cmd": ["cat", "/own"]}),
    }
}

#[test]
fn pushes_and_pulls() {
    let desk = Desk::new(Registry::open());
    for tag in ["1", "2", "latest"] {
        desk.daemon.load(&image(&format!("{}/a:{tag}", desk.registry.address())));
    }
    let there: &[&[&str]] = &[&["push", "-q", "-a", "@/a"]];
    let here: &[&[&str]] = &[&["pull", "-q", "-a", "@/a"]];
    let gone: &[&[&str]] = &[&["rmi", "-f", "@/a:1", "@/a:2", "@/a"]];
    for line in [
        &["push", "@/a:1"][..],
        &["push", "@/a"],
        &["push", "-a", "@/a"],
        &["push", "-q", "@/a:1"],
        &["push", "-q", "-a", "@/a"],
        &["push", "-a", "@/a:1"],
        &["push", "@/none:1"],
    ] {
        desk.alike(there, line);
    }
    for line in [
        &["pull", "@/a:1"][..],
        &["pull", "@/a"],
        &["pull", "-q", "@/a:1"],
        &["pull", "-a", "@/a"],
        &["pull", "-q", "-a", "@/a"],
        &["image", "pull", "--platform", "linux/amd64", "@/a:2"],
        &["pull", "-a", "@/a:1"],
    ] {
        desk.alike(gone, line);
    }
    desk.alike(here, &["pull", "@/a:1"]);
    desk.alike(&[], &["pull", "@/none:1"]);
    desk.alike(here, &["images", "--digests"]);
    desk.alike(here, &["images", "--filter", "reference=@/a:[12]"]);
}

#[test]
fn documents() {
    let desk = Desk::new(Registry::open());
    desk.daemon.load(&image(&format!("{}/a:1", desk.registry.address())));
    desk.run(true, &["push", "-q", "@/a:1"]).exits(0);
    let [ours, theirs] = desk.both(&["manifest", "inspect", "--insecure", "@/a:1"]);
    assert_eq!(ours.exits(0).stdout, theirs.exits(0).stdout);
    let [ours, theirs] =
        desk.both(&["manifest", "inspect", "-v", "--insecure", "@/a:1"]).map(|outcome| {
            let said: serde_json::Value = serde_json::from_str(&outcome.exits(0).stdout).unwrap();
            said
        });
    assert_eq!(ours["Ref"], theirs["Ref"]);
    assert_eq!(ours["Descriptor"]["digest"], theirs["Descriptor"]["digest"]);
    assert_eq!(ours["Descriptor"]["platform"]["os"], theirs["Descriptor"]["platform"]["os"]);
}

#[test]
fn searches() {
    let results = json!({"num_results": 3, "results": [
        {"name": "team/app", "description": "what the team\nmakes, and a word more than would fit",
         "star_count": 7, "is_official": true, "is_automated": false},
        {"name": "other/app", "description": "", "star_count": 2, "is_official": false},
        {"name": "third/app", "description": "short", "star_count": 0, "is_official": false},
    ]});
    let finds = results.to_string();
    let made = MadeRegistry::new(move |request| {
        let found = request.target.starts_with("/v1/search?q=app");
        if found { Reply::new(200, finds.as_str()) } else { Reply::new(404, "") }
    });
    let desk = Desk::new(Registry::open());
    let term = format!("{}/app", made.address());
    for line in [
        &["search"][..],
        &["search", &term],
        &["search", "--no-trunc", &term],
        &["search", "--limit", "5", &term],
        &["search", "--limit", "101", &term],
        &["search", "-f", "stars=3", &term],
        &["search", "-f", "is-official=true", &term],
        &["search", "-f", "is-official=false", &term],
        &["search", "-f", "other=1", &term],
        &["search", "--format", "{{.Name}} {{.StarCount}} {{.IsOfficial}}", &term],
        &["search", "--format", "table {{.Name}}\t{{.Description}}", &term],
        &["search", "--format", "json", &term],
    ] {
        desk.alike(&[], line);
    }
}

#[test]
fn logins() {
    let desk = Desk::new(Registry::with_password());
    let login = |ours: bool, words: &[&str], input: &str| {
        let words: Vec<String> =
            words.iter().map(|word| word.replace('@', desk.registry.address())).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let invocation = if ours { desk.daemon.gantry(&words) } else { desk.daemon.docker(&words) };
        let outcome = desk.in_home(invocation.input(input.to_owned()));
        let kept = desk.home.join(".docker/config.json");
        let kept = fs::read_to_string(&kept).unwrap_or_default();
        let kept: serde_json::Value = serde_json::from_str(&kept).unwrap_or_default();
        (outcome.code, outcome.stdout.trim().to_owned(), kept["auths"].clone())
    };
    let stdin = ["login", "-u", "ann", "--password-stdin", "@"];
    for (words, input) in [
        (&stdin[..], "secret\n"),
        (&stdin[..], "wrong\n"),
        (&["login", "-u", "ann", "-p", "secret", "@"], ""),
        (&["login", "--password-stdin", "@"], "secret"),
        (&["login", "-p", "x", "--password-stdin", "-u", "ann", "@"], "secret"),
        (&["logout", "@"], ""),
        (&["logout", "a", "b"], ""),
    ] {
        // Each begins with what the other one left: a login before every logout but the last.
        let ours = login(true, words, input);
        if words[0] == "logout" && ours.1.starts_with("Removing") {
            login(true, &stdin, "secret\n");
        }
        let theirs = login(false, words, input);
        assert_eq!(ours, theirs, "{words:?}");
    }
}
