//! `gantry ps`.

use crate::shared::{detached, shared, unique};

#[test]
fn running_ones_and_all() {
    let (up, down) = (unique("ps-up"), unique("ps-down"));
    let id = detached(&up, &[], &["sleep", "1000"]);
    detached(&down, &[], &["sh", "-c", "exit 4"]);
    shared().ok(&["wait", &down]);

    let running = shared().ok(&["ps"]);
    let header: Vec<&str> = running
        .lines()
        .next()
        .unwrap()
        .split("  ")
        .filter(|word| !word.is_empty())
        .map(str::trim)
        .collect();
    assert_eq!(header, ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    let line = running.lines().find(|line| line.ends_with(&up)).unwrap();
    assert!(
        line.starts_with(&id[..12])
            && line.contains("busybox")
            && line.contains("\"sleep 1000\"")
            && line.contains("Up "),
        "{line}"
    );
    assert!(!running.contains(&down));

    let all = shared().ok(&["ps", "-a"]);
    assert!(all.lines().any(|line| line.ends_with(&down) && line.contains("Exited (4)")), "{all}");
    assert!(shared().ok(&["ps", "-q"]).lines().any(|line| line == &id[..12]));
    assert!(shared().ok(&["ps", "-q", "--no-trunc"]).lines().any(|line| line == id));
    shared().remove(&[&up, &down]);
}

#[test]
fn filters() {
    let (one, two) = (unique("filter"), unique("filter"));
    let label = format!("group={one}");
    detached(&one, &["--label", &label], &["sleep", "1000"]);
    detached(&two, &["--label", &label, "--label", "second"], &["true"]);
    shared().ok(&["wait", &two]);
    let names = |filters: &[&str]| {
        let mut words = vec!["ps", "-a", "--format", "{{.Names}}", "--filter"];
        let label = format!("label={label}");
        words.push(&label);
        for filter in filters {
            words.extend(["--filter", filter]);
        }
        let mut names: Vec<String> = shared().ok(&words).lines().map(str::to_owned).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&[]), format!("{one} {two}"));
    assert_eq!(names(&["status=running"]), one);
    assert_eq!(names(&["exited=0"]), two);
    assert_eq!(names(&["label=second"]), two);
    for pattern in [one.clone(), format!("^/?{one}$"), format!("^/{one}$")] {
        assert_eq!(names(&[&format!("name={pattern}")]), one, "{pattern}");
    }
    assert_eq!(names(&[&format!("name=^{}$", &one[1..])]), "");
    assert_eq!(names(&["ancestor=busybox"]), format!("{one} {two}"));
    shared()
        .gantry(&["ps", "--filter", "nonsense=1"])
        .run()
        .exits(1)
        .plainly()
        .complains("nonsense");
    shared().remove(&[&one, &two]);
}
