//! The image most tests run: Debian's static busybox with its applets, a few users, nothing else.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::json;

use super::{Image, Layer};
use crate::Tar;

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
daemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
nobody:x:65534:65534:nobody:/home:/bin/false\n\
app:x:1000:1001:An App:/home/app:/bin/sh\n";

const GROUP: &[u8] = b"root:x:0:\n\
daemon:x:1:\n\
staff:x:50:app\n\
app:x:1001:\n\
nogroup:x:65534:\n";

static LAYER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let path = "/bin/busybox";
    let program = fs::read(path)
        .unwrap_or_else(|error| panic!("read {path}: {error}; `make test-tools` installs it"));
    let listed = Command::new(path).arg("--list").output().expect("ask busybox for its applets");
    let mut tar = Tar::new();
    for folder in ["bin", "dev", "etc", "home", "proc", "sys", "usr", "var"] {
        tar = tar.directory(&format!("{folder}/"), 0o755);
    }
    tar = tar.directory("root/", 0o700).directory("tmp/", 0o1777).directory("home/app/", 0o755);
    tar = tar.file("bin/busybox", 0o755, &program);
    for applet in String::from_utf8_lossy(&listed.stdout).lines().filter(|name| *name != "busybox")
    {
        tar = tar.hard_link(&format!("bin/{applet}"), 0o755, "bin/busybox");
    }
    tar.file("etc/passwd", 0o644, PASSWD).file("etc/group", 0o644, GROUP).finish()
});

/// The uncompressed layer.
pub fn busybox_layer() -> Vec<u8> {
    LAYER.clone()
}

/// `busybox:latest`, which runs `sh`.
pub fn busybox() -> Image {
    Image {
        name: "busybox:latest".to_owned(),
        layers: vec![Layer { tar: busybox_layer(), gzip: true }],
        config: json!({
            "Cmd": ["sh"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        }),
    }
}
