//! config.md, "Annotations".

use serde_json::json;

use crate::case::{Section, must};

pub(super) fn section() -> Section {
    let cases = vec![
        must("in-state", "Annotations are told in the state.", |stage| {
            stage.set(
                "/annotations",
                json!({"com.example.key": "a value", "com.example.other": "2"}),
            );
            stage.create();
            let state = stage.state();
            assert_eq!(state["annotations"]["com.example.key"], "a value", "{state}");
            assert_eq!(state["annotations"]["com.example.other"], "2", "{state}");
        }),
        must("empty-value", "A value may be empty.", |stage| {
            stage.set("/annotations", json!({"com.example.key": ""}));
            stage.create();
            assert_eq!(stage.state()["annotations"]["com.example.key"], "");
        }),
        must("none", "Without annotations, the state has none, or an empty map.", |stage| {
            stage.create();
            let state = stage.state();
            let annotations = &state["annotations"];
            let empty = annotations.as_object().is_some_and(serde_json::Map::is_empty);
            assert!(annotations.is_null() || empty, "{state}");
        }),
        must("unknown-ignored", "Annotations that nobody knows make no error.", |stage| {
            stage.set("/annotations", json!({"a key with spaces": "x", "Ünïcode/✓": "y"}));
            assert_eq!(stage.sh("echo ran"), "ran");
        }),
        must("strings-only", "A value that is no string is refused.", |stage| {
            stage.set("/annotations", json!({"com.example.key": {"a": 1}})).refused();
        }),
    ];
    Section::new("config.md", "Annotations", cases)
}
