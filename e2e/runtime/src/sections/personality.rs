//! config-linux.md, "Personality".

use serde_json::json;

use crate::case::{Section, must};

pub(super) fn section() -> Section {
    let cases = vec![
        must("linux32", "LINUX32 shows a 32 bit machine.", |stage| {
            stage.set("/linux/personality", json!({"domain": "LINUX32"}));
            let seen = stage.look();
            assert_eq!(seen.text("/personality"), "00000008");
            assert_ne!(seen.text("/machine"), "x86_64");
        }),
        must("linux", "LINUX is the ordinary one.", |stage| {
            stage.set("/linux/personality", json!({"domain": "LINUX"}));
            assert_eq!(stage.look().text("/personality"), "00000000");
        }),
        must("exec", "A process of exec has it, too.", |stage| {
            stage.set("/linux/personality", json!({"domain": "LINUX32"}));
            stage.background();
            assert_ne!(stage.exec(&["uname", "-m"]), "x86_64");
        }),
        must("unknown", "A domain that does not exist is refused.", |stage| {
            stage.set("/linux/personality", json!({"domain": "TEA"})).refused();
        }),
    ];
    Section::new(
        "config-linux.md",
        "Personality",
        cases.into_iter().map(|case| case.since(1)).collect(),
    )
}
