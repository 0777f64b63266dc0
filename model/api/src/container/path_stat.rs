//! What is at a path in a container: the header of `HEAD` and `GET /containers/{name}/archive`.

use serde::{Deserialize, Serialize};

use crate::go;

/// Written as JSON in base64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPathStat {
    /// The last component of the path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Kind and permissions as Go's `os.FileMode` has them.
    pub mode: u32,
    pub mtime: String,
    /// Where a symbolic link leads in the container.
    #[serde(deserialize_with = "go::lenient")]
    pub link_target: String,
}

impl ContainerPathStat {
    /// The name of the header.
    pub const HEADER: &'static str = "x-docker-container-path-stat";

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & 1 << 31 != 0
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode & 1 << 27 != 0
    }
}
