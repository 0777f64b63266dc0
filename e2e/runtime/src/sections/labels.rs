//! config.md and config-linux.md: AppArmor profiles, SELinux labels, mount labels.

use serde_json::json;

use crate::case::{Section, must};
use crate::machine::Need;

const APPARMOR: &str = "/sys/kernel/security/apparmor/profiles";
const SELINUX: &str = "/sys/fs/selinux/enforce";

pub(super) fn section() -> Section {
    let cases = vec![
        must(
            "apparmor-lacking",
            "A profile on a machine without AppArmor makes an error.",
            |stage| {
                stage.set("/process/apparmorProfile", json!("some-profile")).refused();
            },
        )
        .needs(Need::NoPath(APPARMOR)),
        must("apparmor-unknown", "A profile that is not loaded makes an error.", |stage| {
            stage.set("/process/apparmorProfile", json!("no-such-profile")).refused();
        })
        .needs(Need::Path(APPARMOR)),
        must("selinux-lacking", "A label on a machine without SELinux makes an error.", |stage| {
            stage.set("/process/selinuxLabel", json!("a:b:c:s0")).refused();
        })
        .needs(Need::NoPath(SELINUX)),
        must("selinux-unknown", "A label that the policy does not know makes an error.", |stage| {
            stage.set("/process/selinuxLabel", json!("a:b:c:s0")).refused();
        })
        .needs(Need::Path(SELINUX)),
        must("no-labels", "Empty labels are no labels.", |stage| {
            stage
                .set("/process/apparmorProfile", json!(""))
                .set("/process/selinuxLabel", json!(""));
            stage.set("/linux/mountLabel", json!(""));
            assert_eq!(stage.sh("echo ran"), "ran");
        }),
    ];
    Section::new("config.md", "Labels", cases)
}
