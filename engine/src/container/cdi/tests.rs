//! Folders of specifications and requests in, edits out.

use std::fs;

use super::*;

/// Writes the files into a folder of their own.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn defaults(folders: &[&tempfile::TempDir]) -> ContainerDefaults {
    let cdi_spec_dirs = folders.iter().map(|dir| dir.path().to_owned()).collect();
    ContainerDefaults { cdi_spec_dirs, ..ContainerDefaults::default() }
}

fn by_name(names: &[&str]) -> DeviceRequest {
    DeviceRequest {
        driver: DRIVER.to_owned(),
        device_ids: names.iter().map(ToString::to_string).collect(),
        ..DeviceRequest::default()
    }
}

fn gpus(count: i64, ids: &[&str]) -> DeviceRequest {
    DeviceRequest {
        count,
        device_ids: ids.iter().map(ToString::to_string).collect(),
        capabilities: vec![vec!["gpu".to_owned()]],
        ..DeviceRequest::default()
    }
}

const YAML: &str = r#"
# A comment
cdiVersion: "0.5.0"
kind: vendor.com/thing
containerEdits:
  env: ["ALL=1"]
devices:
  - name: "0"
    containerEdits:
      env:
        - ONE=1
      deviceNodes:
        - path: /dev/thing0
          hostPath: /dev/null
  - name: all
    containerEdits: &edits
      env: [EACH=1]
"#;

#[test]
fn both_forms_are_read() {
    let yaml = folder(&[("a.yaml", YAML), ("ignored.txt", "x"), ("broken.json", "{")]);
    let json = folder(&[(
        "b.json",
        r#"{"cdiVersion":"1.0.0","kind":"other.com/x","devices":[{"name":"y","containerEdits":{"env":["X=1"]}}]}"#,
    )]);
    let catalogue = Catalogue::read(&defaults(&[&yaml, &json]).cdi_spec_dirs);
    let names: Vec<&String> = catalogue.names().collect();
    assert_eq!(names, ["other.com/x=y", "vendor.com/thing=0", "vendor.com/thing=all"]);
    let request = by_name(&["vendor.com/thing=0", "vendor.com/thing=all", "vendor.com/thing=0"]);
    let edits = edits_for(&[request], &defaults(&[&yaml])).unwrap();
    assert_eq!(edits.len(), 3, "what all bring comes once");
    let node = &edits[1].device_nodes[0];
    assert_eq!((node.kind.as_str(), node.major, node.minor), ("c", 1, 3), "of the host's null");
    assert_eq!(node.path, "/dev/thing0");
}

#[test]
fn later_folders_win_and_equals_conflict() {
    let of = |value: &str| {
        format!(
            r#"{{"cdiVersion":"1.0.0","kind":"v.com/c","devices":[{{"name":"d","containerEdits":{{"env":["X={value}"]}}}}]}}"#
        )
    };
    let (first, second) = (folder(&[("a.json", &of("1"))]), folder(&[("a.json", &of("2"))]));
    let found = edits_for(&[by_name(&["v.com/c=d"])], &defaults(&[&first, &second])).unwrap();
    let wanted = edits_for(&[by_name(&["v.com/c=d"])], &defaults(&[&second])).unwrap();
    assert_eq!(found, wanted);
    let both = folder(&[("a.json", &of("1")), ("b.json", &of("2"))]);
    let error = edits_for(&[by_name(&["v.com/c=d"])], &defaults(&[&both])).unwrap_err();
    assert!(error.to_string().contains("the same name"), "{error}");
}

#[test]
fn gpus_are_devices_of_a_vendor() {
    let spec = r#"{"cdiVersion":"0.6.0","kind":"nvidia.com/gpu","devices":[
        {"name":"0","containerEdits":{"env":["G=0"]}},{"name":"1","containerEdits":{"env":["G=1"]}},
        {"name":"all","containerEdits":{"env":["G=all"]}},{"name":"GPU-7","containerEdits":{"env":["G=7"]}}]}"#;
    let dir = folder(&[("nvidia.json", spec)]);
    let catalogue = Catalogue::read(&defaults(&[&dir]).cdi_spec_dirs);
    let names = |request: &DeviceRequest| names_of(request, &catalogue, true);
    assert_eq!(names(&gpus(-1, &[])).unwrap(), ["nvidia.com/gpu=all"]);
    assert_eq!(names(&gpus(2, &[])).unwrap(), ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]);
    assert_eq!(names(&gpus(0, &["GPU-7"])).unwrap(), ["nvidia.com/gpu=GPU-7"]);
    assert!(names(&gpus(3, &["0"])).is_err());
    let amd = DeviceRequest { driver: "amd".to_owned(), ..gpus(-1, &[]) };
    assert_eq!(
        names(&amd).unwrap_err().to_string(),
        "could not select device driver \"amd\" with capabilities: [[gpu]]"
    );
}

#[test]
fn what_nobody_has_is_named() {
    let none = defaults(&[]);
    assert_eq!(
        edits_for(&[gpus(-1, &[])], &none).unwrap_err().to_string(),
        "could not select device driver \"\" with capabilities: [[gpu]]"
    );
    let yaml = folder(&[("a.yaml", YAML)]);
    let error = edits_for(&[by_name(&["vendor.com/thing=9"])], &defaults(&[&yaml])).unwrap_err();
    let text = "CDI device injection failed: unresolvable CDI devices vendor.com/thing=9";
    assert_eq!(error.to_string(), text);
    assert!(edits_for(&[by_name(&["thing"])], &defaults(&[&yaml])).is_err());
}
