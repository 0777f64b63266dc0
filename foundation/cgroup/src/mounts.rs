//! What a container's `/sys/fs/cgroup` consists of.

use std::path::PathBuf;

use crate::cgroup::Cgroup;
use crate::hierarchy::{Layout, Version};

/// One file system to mount in a container's `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerMount {
    /// The directory's name there, such as `cpu,cpuacct` or `unified`. Empty on a v2 machine: the mount is `/sys/fs/cgroup`
    /// itself.
    pub name: String,
    /// Links to it that belong beside it, such as `cpu`.
    pub aliases: Vec<String>,
    pub version: Version,
    /// What to mount (`cgroup` with these options) in a cgroup namespace of its own. Empty for v2.
    pub options: String,
    /// The container's own directory on the host, to bind where there is no such namespace.
    pub source: PathBuf,
}

impl Cgroup {
    /// One mount for each hierarchy.
    #[must_use]
    pub fn mounts(&self) -> Vec<ContainerMount> {
        self.members
            .iter()
            .map(|member| {
                let hierarchy = &member.hierarchy;
                let version = hierarchy.version();
                let name = match self.layout {
                    Layout::Unified => None,
                    Layout::Legacy | Layout::Hybrid => hierarchy.root().file_name(),
                };
                let controllers: Vec<&str> = match version {
                    Version::V1 => hierarchy.controllers().collect(),
                    Version::V2 => Vec::new(),
                };
                let none =
                    if controllers.iter().any(|it| it.starts_with("name=")) { "none," } else { "" };
                ContainerMount {
                    name: name.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
                    aliases: hierarchy.aliases().to_vec(),
                    version,
                    options: format!("{none}{}", controllers.join(",")),
                    source: member.directory.path().to_owned(),
                }
            })
            .collect()
    }
}
