//! config.md, "Hostname" and "Domainname".

use serde_json::json;

use crate::case::{Section, must};

pub(super) fn section() -> Section {
    let cases = vec![
        must("hostname", "The host name is the given one.", |stage| {
            stage.set("/hostname", json!("mrsdalloway"));
            assert_eq!(stage.look().text("/hostname"), "mrsdalloway");
        }),
        must("hostname-host", "The machine's own name stays.", |stage| {
            let name =
                || std::fs::read_to_string("/proc/sys/kernel/hostname").expect("read the name");
            let before = name();
            stage.set("/hostname", json!("mrsdalloway")).sh("true");
            assert_eq!(name(), before);
        }),
        must("hostname-longest", "A name of 64 letters works.", |stage| {
            stage.set("/hostname", json!("n".repeat(64)));
            assert_eq!(stage.look().text("/hostname"), "n".repeat(64));
        }),
        must("hostname-too-long", "A name of 65 letters is refused.", |stage| {
            stage.set("/hostname", json!("n".repeat(65))).refused();
        }),
        must(
            "hostname-host-namespace",
            "A name is refused where it would become the machine's.",
            |stage| {
                stage.without_namespace("uts").refused();
            },
        ),
        must("domainname", "The domain name is the given one.", |stage| {
            stage.set("/domainname", json!("foobarbaz.test"));
            assert_eq!(stage.look().text("/domainname"), "foobarbaz.test");
        })
        .since(1),
    ];
    Section::new("config.md", "Hostname and domainname", cases)
}
