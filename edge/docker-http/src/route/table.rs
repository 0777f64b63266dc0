//! Every route of Docker's API, in the order in which they are tried: fixed paths before names that take anything.

use hyper::Method;

use super::Endpoint::{
    ContainerAttach, ContainerCreate, ContainerInspect, ContainerKill, ContainerList,
    ContainerLogs, ContainerRemove, ContainerRename, ContainerResize, ContainerRestart,
    ContainerStart, ContainerStop, ContainerWait, ExecCreate, ExecInspect, ExecResize, ExecStart,
    ImageCreate, ImageHistory, ImageInspect, ImageList, ImageLoad, ImagePush, ImageRemove,
    ImageSave, ImageTag, SystemAuth, SystemInfo, SystemPing, SystemVersion,
};
use super::{Endpoint, Route, Target};

const BUILDS: &str = "this version of Gantry does not build images";
const NETWORKS: &str =
    "this version of Gantry has no networks to manage; containers use none or the host's";
const VOLUMES: &str = "this version of Gantry has no named volumes; bind a directory instead";
const PLUGINS: &str = "this version of Gantry has no plugins";
const REGISTRIES: &str = "this version of Gantry only pulls from registries and pushes to them";
const FILES: &str = "this version of Gantry does not copy files in and out of containers";
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

const fn no_such(pattern: &'static str, before: &'static str, after: &'static str) -> Route {
    Route { method: Method::GET, pattern, target: Target::NoSuch(before, after) }
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
    not_yet(Method::GET, "/events", "this version of Gantry keeps no events"),
    not_yet(
        Method::GET,
        "/system/df",
        "this version of Gantry does not count what its objects take",
    ),
    serve(Method::POST, "/auth", SystemAuth),
    // Containers
    serve(Method::GET, "/containers/json", ContainerList),
    serve(Method::POST, "/containers/create", ContainerCreate),
    not_yet(Method::POST, "/containers/prune", "remove stopped containers by name"),
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
    not_yet(Method::GET, "/containers/{name}/attach/ws", "attach without a web socket instead"),
    not_yet(Method::GET, "/containers/{name}/top", "run ps in the container instead"),
    not_yet(Method::GET, "/containers/{name}/stats", "this version of Gantry takes no samples"),
    not_yet(Method::GET, "/containers/{name}/changes", FILES),
    not_yet(Method::GET, "/containers/{name}/export", FILES),
    not_yet(Method::HEAD, "/containers/{name}/archive", FILES),
    not_yet(Method::GET, "/containers/{name}/archive", FILES),
    not_yet(Method::PUT, "/containers/{name}/archive", FILES),
    not_yet(
        Method::POST,
        "/containers/{name}/pause",
        "this version of Gantry cannot freeze processes",
    ),
    not_yet(
        Method::POST,
        "/containers/{name}/unpause",
        "this version of Gantry cannot freeze processes",
    ),
    not_yet(
        Method::POST,
        "/containers/{name}/update",
        "limits are set when a container is created",
    ),
    // Further processes
    serve(Method::GET, "/exec/{name}/json", ExecInspect),
    serve(Method::POST, "/exec/{name}/start", ExecStart),
    serve(Method::POST, "/exec/{name}/resize", ExecResize),
    // Images
    serve(Method::GET, "/images/json", ImageList),
    serve(Method::POST, "/images/load", ImageLoad),
    serve(Method::POST, "/images/create", ImageCreate),
    not_yet(Method::POST, "/images/prune", "remove images by name"),
    not_yet(Method::GET, "/images/search", REGISTRIES),
    serve(Method::GET, "/images/get", ImageSave),
    serve(Method::GET, "/images/{name}/get", ImageSave),
    serve(Method::GET, "/images/{name}/history", ImageHistory),
    serve(Method::GET, "/images/{name}/json", ImageInspect),
    serve(Method::POST, "/images/{name}/push", ImagePush),
    serve(Method::POST, "/images/{name}/tag", ImageTag),
    serve(Method::DELETE, "/images/{name}", ImageRemove),
    not_yet(Method::POST, "/commit", "this version of Gantry makes no images of containers"),
    not_yet(Method::GET, "/distribution/{name}/json", REGISTRIES),
    // Builds
    not_yet(Method::POST, "/build", BUILDS),
    not_yet(Method::POST, "/build/prune", BUILDS),
    not_yet(Method::POST, "/build/cancel", BUILDS),
    not_yet(Method::POST, "/session", BUILDS),
    not_yet(Method::POST, "/grpc", BUILDS),
    // Volumes
    not_yet(Method::GET, "/volumes", VOLUMES),
    not_yet(Method::POST, "/volumes/create", VOLUMES),
    not_yet(Method::POST, "/volumes/prune", VOLUMES),
    no_such("/volumes/{name}", "get ", ": no such volume"),
    not_yet(Method::PUT, "/volumes/{name}", VOLUMES),
    not_yet(Method::DELETE, "/volumes/{name}", VOLUMES),
    // Networks
    not_yet(Method::GET, "/networks", NETWORKS),
    not_yet(Method::GET, "/networks/", NETWORKS),
    not_yet(Method::POST, "/networks/create", NETWORKS),
    not_yet(Method::POST, "/networks/prune", NETWORKS),
    not_yet(Method::POST, "/networks/{name}/connect", NETWORKS),
    not_yet(Method::POST, "/networks/{name}/disconnect", NETWORKS),
    no_such("/networks/{name}", "network ", " not found"),
    not_yet(Method::DELETE, "/networks/{name}", NETWORKS),
    // Plugins
    not_yet(Method::GET, "/plugins", PLUGINS),
    not_yet(Method::GET, "/plugins/privileges", PLUGINS),
    not_yet(Method::POST, "/plugins/create", PLUGINS),
    not_yet(Method::POST, "/plugins/pull", PLUGINS),
    no_such("/plugins/{name}/json", "plugin \"", "\" not found"),
    not_yet(Method::POST, "/plugins/{name}/enable", PLUGINS),
    not_yet(Method::POST, "/plugins/{name}/disable", PLUGINS),
    not_yet(Method::POST, "/plugins/{name}/push", PLUGINS),
    not_yet(Method::POST, "/plugins/{name}/upgrade", PLUGINS),
    not_yet(Method::POST, "/plugins/{name}/set", PLUGINS),
    not_yet(Method::DELETE, "/plugins/{name}", PLUGINS),
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
