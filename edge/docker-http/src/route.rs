//! From method and path to what serves it. The table itself is in [`table`].

mod table;

use hyper::Method;

/// What a request is for, and the name in its path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) route: &'static Route,
    /// Decoded; may have slashes in it, as names of images do. Empty when the route has none.
    pub(crate) name: String,
}

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With `{name}` where the name is, at most once; it takes everything between what stands before and after it.
    pub(crate) pattern: &'static str,
    pub(crate) target: Target,
}

/// What serves a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Serve(Endpoint),
    /// Docker has it, we do not; the text says why in a few words.
    NotYet(&'static str),
    /// Needs a swarm; the text is what an engine outside of one says.
    NoSwarm(&'static str),
}

/// Every endpoint that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    BuildBring,
    BuildCancel,
    BuildHistoryInspect,
    BuildHistoryList,
    BuildHistoryLogs,
    BuildHistoryPrune,
    BuildHistoryRemove,
    BuildMountExport,
    BuildMountImport,
    BuildOpen,
    BuildPrune,
    BuildStart,
    BuildTake,
    ContainerArchiveGet,
    ContainerArchivePut,
    ContainerArchiveStat,
    ContainerAttach,
    ContainerAttachWs,
    ContainerCommit,
    ContainerCreate,
    ContainerDiff,
    ContainerExport,
    ContainerInspect,
    ContainerKill,
    ContainerList,
    ContainerLogs,
    ContainerPause,
    ContainerPrune,
    ContainerRemove,
    ContainerRename,
    ContainerResize,
    ContainerRestart,
    ContainerStart,
    ContainerStats,
    ContainerStop,
    ContainerTop,
    ContainerUnpause,
    ContainerUpdate,
    ContainerWait,
    ExecCreate,
    ExecInspect,
    ExecResize,
    ExecStart,
    ImageCreate,
    ImageDistribution,
    ImageDistributionPush,
    ImageAttestations,
    ImageHistory,
    ImageInspect,
    ImageLayerFiles,
    ImageLayers,
    ImageList,
    ImageLoad,
    ImagePrune,
    ImagePush,
    ImageRemove,
    ImageSave,
    ImageSearch,
    ImageTag,
    NetworkConnect,
    NetworkCreate,
    NetworkDisconnect,
    NetworkInspect,
    NetworkList,
    NetworkPrune,
    NetworkRemove,
    PluginCreate,
    PluginDisable,
    PluginEnable,
    PluginInspect,
    PluginList,
    PluginPrivileges,
    PluginPull,
    PluginPush,
    PluginRemove,
    PluginSet,
    PluginUpgrade,
    SystemAuth,
    SystemCheck,
    SystemDf,
    SystemEvents,
    SystemInfo,
    SystemPing,
    SystemVersion,
    VolumeClone,
    VolumeCreate,
    VolumeExport,
    VolumeImport,
    VolumeInspect,
    VolumeList,
    VolumePrune,
    VolumeRemove,
    VolumeRename,
}

/// The route for a decoded path without its version; repeated slashes count as one.
pub(crate) fn find(method: &Method, path: &str) -> Option<Found> {
    let path = without_repeated_slashes(path);
    table::ROUTES.iter().filter(|route| route.method == *method).find_map(|route| {
        let name = captured(route.pattern, &path)?.to_owned();
        Some(Found { route, name })
    })
}

/// The name that `pattern` takes out of `path`, empty when it has none; `None` when it does not fit.
fn captured<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = pattern.split_once("{name}") else {
        return (pattern == path).then_some("");
    };
    path.strip_prefix(before)?.strip_suffix(after).filter(|name| !name.is_empty())
}

fn without_repeated_slashes(path: &str) -> String {
    let mut clean = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !clean.ends_with('/') {
            clean.push(character);
        }
    }
    clean
}

#[cfg(test)]
mod tests;
