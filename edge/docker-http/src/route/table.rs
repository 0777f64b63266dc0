//! Every route of Docker's API, in the order in which they are tried: fixed paths before names that take anything.

use hyper::Method;

use super::Endpoint::{
    BuildBring, BuildCancel, BuildHistoryInspect, BuildHistoryList, BuildHistoryLogs,
    BuildHistoryPrune, BuildHistoryRemove, BuildMountExport, BuildMountImport, BuildOpen,
    BuildPrune, BuildStart, BuildTake, ContainerArchiveGet, ContainerArchivePut,
    ContainerArchiveStat, ContainerAttach, ContainerAttachWs, ContainerCommit, ContainerCreate,
    ContainerDiff, ContainerExport, ContainerInspect, ContainerKill, ContainerList, ContainerLogs,
    ContainerPause, ContainerPrune, ContainerRemove, ContainerRename, ContainerResize,
    ContainerRestart, ContainerStart, ContainerStats, ContainerStop, ContainerTop,
    ContainerUnpause, ContainerUpdate, ContainerWait, ExecCreate, ExecInspect, ExecResize,
    ExecStart, ImageAttestations, ImageCreate, ImageDistribution, ImageDistributionPush,
    ImageHistory, ImageInspect, ImageLayerFiles, ImageLayers, ImageList, ImageLoad, ImagePrune,
    ImagePush, ImageRemove, ImageSave, ImageSearch, ImageTag, NetworkConnect, NetworkCreate,
    NetworkDisconnect, NetworkInspect, NetworkList, NetworkPrune, NetworkRemove, PluginCreate,
    PluginDisable, PluginEnable, PluginInspect, PluginList, PluginPrivileges, PluginPull,
    PluginPush, PluginRemove, PluginSet, PluginUpgrade, SystemAuth, SystemCheck, SystemDf,
    SystemEvents, SystemInfo, SystemPing, SystemVersion, VolumeClone, VolumeCreate, VolumeExport,
    VolumeImport, VolumeInspect, VolumeList, VolumePrune, VolumeRemove, VolumeRename,
};
use super::{Endpoint, Route, Target};

const BUILDKIT: &str = "this version of Gantry has no BuildKit";
const CLUSTER: &str = "volumes of swarms have no other settings here";
const SWARMS: &str = "this version of Gantry does not join swarms";
const NO_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
                          connect this node to swarm and try again.";
const NO_MEMBER: &str = "This node is not part of a swarm";

const fn serve(method: Method, pattern: &'static str, endpoint: Endpoint) -> Route {
    Route { method, pattern, target: Target::Serve(endpoint) }
}

const fn not_yet(method: Method, pattern: &'static str, reason: &'static str) -> Route {
    Route { method, pattern, target: Target::NotYet(reason) }
}

const fn no_swarm(method: Method, pattern: &'static str) -> Route {
    Route { method, pattern, target: Target::NoSwarm(NO_MANAGER) }
}

pub(super) static ROUTES: &[Route] = &[
    // The engine itself
    serve(Method::HEAD, "/_ping", SystemPing),
    serve(Method::GET, "/_ping", SystemPing),
    serve(Method::GET, "/version", SystemVersion),
    serve(Method::GET, "/info", SystemInfo),
    serve(Method::GET, "/events", SystemEvents),
    serve(Method::GET, "/system/df", SystemDf),
    serve(Method::POST, "/auth", SystemAuth),
    serve(Method::GET, "/gantry/system/check", SystemCheck),
    // Containers
    serve(Method::GET, "/containers/json", ContainerList),
    serve(Method::POST, "/containers/create", ContainerCreate),
    serve(Method::POST, "/containers/prune", ContainerPrune),
    serve(Method::GET, "/containers/{name}/json", ContainerInspect),
    serve(Method::GET, "/containers/{name}/logs", ContainerLogs),
    serve(Method::POST, "/containers/{name}/start", ContainerStart),
    serve(Method::POST, "/containers/{name}/stop", ContainerStop),
    serve(Method::POST, "/containers/{name}/restart", ContainerRestart),
    serve(Method::POST, "/containers/{name}/kill", ContainerKill),
    serve(Method::POST, "/containers/{name}/wait", ContainerWait),
    serve(Method::POST, "/containers/{name}/resize", ContainerResize),
    serve(Method::POST, "/containers/{name}/attach", ContainerAttach),
    serve(Method::POST, "/containers/{name}/rename", ContainerRename),
    serve(Method::POST, "/containers/{name}/exec", ExecCreate),
    serve(Method::DELETE, "/containers/{name}", ContainerRemove),
    serve(Method::GET, "/containers/{name}/attach/ws", ContainerAttachWs),
    serve(Method::GET, "/containers/{name}/top", ContainerTop),
    serve(Method::GET, "/containers/{name}/stats", ContainerStats),
    serve(Method::GET, "/containers/{name}/changes", ContainerDiff),
    serve(Method::GET, "/containers/{name}/export", ContainerExport),
    serve(Method::HEAD, "/containers/{name}/archive", ContainerArchiveStat),
    serve(Method::GET, "/containers/{name}/archive", ContainerArchiveGet),
    serve(Method::PUT, "/containers/{name}/archive", ContainerArchivePut),
    serve(Method::POST, "/containers/{name}/pause", ContainerPause),
    serve(Method::POST, "/containers/{name}/unpause", ContainerUnpause),
    serve(Method::POST, "/containers/{name}/update", ContainerUpdate),
    // Further processes
    serve(Method::GET, "/exec/{name}/json", ExecInspect),
    serve(Method::POST, "/exec/{name}/start", ExecStart),
    serve(Method::POST, "/exec/{name}/resize", ExecResize),
    // Images
    serve(Method::GET, "/images/json", ImageList),
    serve(Method::POST, "/images/load", ImageLoad),
    serve(Method::POST, "/images/create", ImageCreate),
    serve(Method::POST, "/images/prune", ImagePrune),
    serve(Method::GET, "/images/search", ImageSearch),
    serve(Method::GET, "/images/get", ImageSave),
    serve(Method::GET, "/images/{name}/get", ImageSave),
    serve(Method::GET, "/images/{name}/history", ImageHistory),
    serve(Method::GET, "/images/{name}/attestations", ImageAttestations),
    serve(Method::GET, "/images/{name}/json", ImageInspect),
    serve(Method::GET, "/gantry/images/{name}/layers", ImageLayers),
    serve(Method::GET, "/gantry/images/{name}/files", ImageLayerFiles),
    serve(Method::POST, "/images/{name}/push", ImagePush),
    serve(Method::POST, "/images/{name}/tag", ImageTag),
    serve(Method::DELETE, "/images/{name}", ImageRemove),
    serve(Method::POST, "/commit", ContainerCommit),
    serve(Method::GET, "/distribution/{name}/json", ImageDistribution),
    serve(Method::POST, "/gantry/distribution/{name}/push", ImageDistributionPush),
    // Builds
    serve(Method::POST, "/build", BuildStart),
    serve(Method::POST, "/build/prune", BuildPrune),
    serve(Method::POST, "/build/cancel", BuildCancel),
    serve(Method::GET, "/gantry/build/exchange/{name}", BuildTake),
    serve(Method::POST, "/gantry/build/exchange/{name}/connection", BuildOpen),
    serve(Method::POST, "/gantry/build/exchange/{name}", BuildBring),
    serve(Method::GET, "/gantry/build/mounts", BuildMountExport),
    serve(Method::POST, "/gantry/build/mounts", BuildMountImport),
    serve(Method::GET, "/gantry/builds", BuildHistoryList),
    serve(Method::POST, "/gantry/builds/prune", BuildHistoryPrune),
    serve(Method::GET, "/gantry/builds/{name}/logs", BuildHistoryLogs),
    serve(Method::GET, "/gantry/builds/{name}", BuildHistoryInspect),
    serve(Method::DELETE, "/gantry/builds/{name}", BuildHistoryRemove),
    not_yet(Method::POST, "/session", BUILDKIT),
    not_yet(Method::POST, "/grpc", BUILDKIT),
    // Volumes
    serve(Method::GET, "/volumes", VolumeList),
    serve(Method::POST, "/volumes/create", VolumeCreate),
    serve(Method::POST, "/volumes/prune", VolumePrune),
    serve(Method::GET, "/volumes/{name}", VolumeInspect),
    not_yet(Method::PUT, "/volumes/{name}", CLUSTER),
    serve(Method::DELETE, "/volumes/{name}", VolumeRemove),
    serve(Method::POST, "/gantry/volumes/{name}/rename", VolumeRename),
    serve(Method::POST, "/gantry/volumes/{name}/clone", VolumeClone),
    serve(Method::GET, "/gantry/volumes/{name}/export", VolumeExport),
    serve(Method::POST, "/gantry/volumes/{name}/import", VolumeImport),
    // Networks
    serve(Method::GET, "/networks", NetworkList),
    serve(Method::GET, "/networks/", NetworkList),
    serve(Method::POST, "/networks/create", NetworkCreate),
    serve(Method::POST, "/networks/prune", NetworkPrune),
    serve(Method::POST, "/networks/{name}/connect", NetworkConnect),
    serve(Method::POST, "/networks/{name}/disconnect", NetworkDisconnect),
    serve(Method::GET, "/networks/{name}", NetworkInspect),
    serve(Method::DELETE, "/networks/{name}", NetworkRemove),
    // Plugins
    serve(Method::GET, "/plugins", PluginList),
    serve(Method::GET, "/plugins/privileges", PluginPrivileges),
    serve(Method::POST, "/plugins/create", PluginCreate),
    serve(Method::POST, "/plugins/pull", PluginPull),
    serve(Method::GET, "/plugins/{name}/json", PluginInspect),
    serve(Method::POST, "/plugins/{name}/enable", PluginEnable),
    serve(Method::POST, "/plugins/{name}/disable", PluginDisable),
    serve(Method::POST, "/plugins/{name}/push", PluginPush),
    serve(Method::POST, "/plugins/{name}/upgrade", PluginUpgrade),
    serve(Method::POST, "/plugins/{name}/set", PluginSet),
    serve(Method::DELETE, "/plugins/{name}", PluginRemove),
    // Swarm
    not_yet(Method::POST, "/swarm/init", SWARMS),
    not_yet(Method::POST, "/swarm/join", SWARMS),
    Route { method: Method::POST, pattern: "/swarm/leave", target: Target::NoSwarm(NO_MEMBER) },
    no_swarm(Method::GET, "/swarm"),
    no_swarm(Method::GET, "/swarm/unlockkey"),
    no_swarm(Method::POST, "/swarm/update"),
    no_swarm(Method::POST, "/swarm/unlock"),
    no_swarm(Method::GET, "/services"),
    no_swarm(Method::POST, "/services/create"),
    no_swarm(Method::GET, "/services/{name}/logs"),
    no_swarm(Method::POST, "/services/{name}/update"),
    no_swarm(Method::GET, "/services/{name}"),
    no_swarm(Method::DELETE, "/services/{name}"),
    no_swarm(Method::GET, "/nodes"),
    no_swarm(Method::POST, "/nodes/{name}/update"),
    no_swarm(Method::GET, "/nodes/{name}"),
    no_swarm(Method::DELETE, "/nodes/{name}"),
    no_swarm(Method::GET, "/tasks"),
    no_swarm(Method::GET, "/tasks/{name}/logs"),
    no_swarm(Method::GET, "/tasks/{name}"),
    no_swarm(Method::GET, "/secrets"),
    no_swarm(Method::POST, "/secrets/create"),
    no_swarm(Method::POST, "/secrets/{name}/update"),
    no_swarm(Method::GET, "/secrets/{name}"),
    no_swarm(Method::DELETE, "/secrets/{name}"),
    no_swarm(Method::GET, "/configs"),
    no_swarm(Method::POST, "/configs/create"),
    no_swarm(Method::POST, "/configs/{name}/update"),
    no_swarm(Method::GET, "/configs/{name}"),
    no_swarm(Method::DELETE, "/configs/{name}"),
];
