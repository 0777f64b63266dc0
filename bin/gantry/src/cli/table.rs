//! The table of commands: every name with what builds and runs it. A command is built only when it is called.

use clap::{ArgMatches, Command};

use super::{Takes, Verb, run_verb};
use crate::commands::{
    build, builder, builds, container, image, network, plugin, registry, system, volume,
};
use crate::error::Error;
use crate::session::Session;

/// A command, or a group of them.
pub(crate) enum Node {
    Verb {
        /// The name in lists, then the others that do the same.
        names: &'static [&'static str],
        build: fn() -> Command,
        usage: &'static str,
        takes: Takes,
        run: fn(&ArgMatches, &Session) -> Result<u8, Error>,
    },
    Group {
        name: &'static str,
        about: &'static str,
        nodes: &'static [Node],
    },
}

impl Node {
    /// The name in lists.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Verb { names, .. } => names.first().copied().unwrap_or_default(),
            Self::Group { name, .. } => name,
        }
    }

    pub(crate) fn is_called(&self, word: &str) -> bool {
        match self {
            Self::Verb { names, .. } => names.contains(&word),
            Self::Group { name, .. } => *name == word,
        }
    }

    /// The commands below; none below a command.
    pub(crate) fn children(&self) -> &'static [Self] {
        match self {
            Self::Verb { .. } => &[],
            Self::Group { nodes, .. } => nodes,
        }
    }
}

const fn verb<V: Verb>(names: &'static [&'static str]) -> Node {
    Node::Verb {
        names,
        build: || V::augment_args(Command::new("gantry").disable_help_flag(true)),
        usage: V::USAGE,
        takes: V::TAKES,
        run: run_verb::<V>,
    }
}

/// Docker's commands that a user may look for here in vain.
pub(crate) const NOT_THERE_YET: &[&str] = &[
    "buildx",
    "checkpoint",
    "compose",
    "config",
    "context",
    "node",
    "secret",
    "service",
    "stack",
    "swarm",
    "trust",
];

/// What can stand first.
pub(crate) static TOP: &[Node] = &[
    verb::<container::attach::Attach>(&["attach"]),
    verb::<build::Build>(&["build"]),
    Node::Group { name: "builder", about: "Manage builds", nodes: BUILDER },
    Node::Group { name: "builds", about: "Look at builds that were", nodes: BUILDS },
    verb::<container::commit::Commit>(&["commit"]),
    Node::Group { name: "container", about: "Manage containers", nodes: CONTAINER },
    verb::<container::copy::Copy>(&["cp"]),
    verb::<container::create::Create>(&["create"]),
    verb::<container::diff::Diff>(&["diff"]),
    verb::<system::events::Events>(&["events"]),
    verb::<container::exec::Exec>(&["exec"]),
    verb::<container::export::Export>(&["export"]),
    verb::<image::history::History>(&["history"]),
    Node::Group { name: "image", about: "Manage images", nodes: IMAGE },
    verb::<image::list::List>(&["images"]),
    verb::<image::import::Import>(&["import"]),
    verb::<system::info::Info>(&["info"]),
    verb::<system::inspect::Inspect>(&["inspect"]),
    verb::<container::kill::Kill>(&["kill"]),
    verb::<image::load::Load>(&["load"]),
    verb::<registry::login::Login>(&["login"]),
    verb::<registry::logout::Logout>(&["logout"]),
    verb::<container::logs::Logs>(&["logs"]),
    Node::Group { name: "network", about: "Manage networks", nodes: NETWORK },
    verb::<container::pause::Pause>(&["pause"]),
    verb::<container::port::Port>(&["port"]),
    verb::<container::list::List>(&["ps"]),
    Node::Group {
        name: "manifest",
        about: "Manage manifests and manifest lists in registries",
        nodes: MANIFEST,
    },
    Node::Group { name: "plugin", about: "Manage plugins", nodes: PLUGIN },
    verb::<image::pull::Pull>(&["pull"]),
    verb::<image::push::Push>(&["push"]),
    verb::<container::rename::Rename>(&["rename"]),
    verb::<container::restart::Restart>(&["restart"]),
    verb::<container::remove::Remove>(&["rm"]),
    verb::<image::remove::Remove>(&["rmi"]),
    verb::<container::run::Run>(&["run"]),
    verb::<image::save::Save>(&["save"]),
    verb::<registry::search::Search>(&["search"]),
    verb::<container::start::Start>(&["start"]),
    verb::<container::stats::Stats>(&["stats"]),
    verb::<container::stop::Stop>(&["stop"]),
    Node::Group { name: "system", about: "Manage Gantry", nodes: SYSTEM },
    verb::<image::tag::Tag>(&["tag"]),
    verb::<container::top::Top>(&["top"]),
    verb::<container::unpause::Unpause>(&["unpause"]),
    verb::<container::update::Update>(&["update"]),
    verb::<system::version::Version>(&["version"]),
    Node::Group { name: "volume", about: "Manage volumes", nodes: VOLUME },
    verb::<container::wait::Wait>(&["wait"]),
];

static BUILDER: &[Node] = &[
    verb::<build::Build>(&["build"]),
    Node::Group { name: "cache", about: "Carry what cache mounts hold", nodes: BUILDER_CACHE },
    verb::<builder::disk_usage::DiskUsage>(&["du"]),
    verb::<builder::prune::Prune>(&["prune"]),
];

static BUILDER_CACHE: &[Node] = &[
    verb::<builder::cache::export::Export>(&["export"]),
    verb::<builder::cache::import::Import>(&["import"]),
];

static BUILDS: &[Node] = &[
    verb::<builds::inspect::Inspect>(&["inspect"]),
    verb::<builds::logs::Logs>(&["logs"]),
    verb::<builds::list::List>(&["ls", "list"]),
    verb::<builds::prune::Prune>(&["prune"]),
    verb::<builds::remove::Remove>(&["rm", "remove"]),
];

static VOLUME: &[Node] = &[
    verb::<volume::clone::Clone>(&["clone"]),
    verb::<volume::create::Create>(&["create"]),
    verb::<volume::export::Export>(&["export"]),
    verb::<volume::import::Import>(&["import"]),
    verb::<volume::inspect::Inspect>(&["inspect"]),
    verb::<volume::list::List>(&["ls", "list"]),
    verb::<volume::prune::Prune>(&["prune"]),
    verb::<volume::remove::Remove>(&["rm", "remove"]),
    verb::<volume::rename::Rename>(&["rename"]),
    verb::<volume::update::Update>(&["update"]),
];

static CONTAINER: &[Node] = &[
    verb::<container::attach::Attach>(&["attach"]),
    verb::<container::commit::Commit>(&["commit"]),
    verb::<container::copy::Copy>(&["cp"]),
    verb::<container::create::Create>(&["create"]),
    verb::<container::diff::Diff>(&["diff"]),
    verb::<container::exec::Exec>(&["exec"]),
    verb::<container::export::Export>(&["export"]),
    verb::<container::inspect::Inspect>(&["inspect"]),
    verb::<container::kill::Kill>(&["kill"]),
    verb::<container::logs::Logs>(&["logs"]),
    verb::<container::list::List>(&["ls", "list", "ps"]),
    verb::<container::pause::Pause>(&["pause"]),
    verb::<container::port::Port>(&["port"]),
    verb::<container::prune::Prune>(&["prune"]),
    verb::<container::rename::Rename>(&["rename"]),
    verb::<container::restart::Restart>(&["restart"]),
    verb::<container::remove::Remove>(&["rm", "remove"]),
    verb::<container::run::Run>(&["run"]),
    verb::<container::start::Start>(&["start"]),
    verb::<container::stats::Stats>(&["stats"]),
    verb::<container::stop::Stop>(&["stop"]),
    verb::<container::top::Top>(&["top"]),
    verb::<container::unpause::Unpause>(&["unpause"]),
    verb::<container::update::Update>(&["update"]),
    verb::<container::wait::Wait>(&["wait"]),
];

static IMAGE: &[Node] = &[
    verb::<build::Build>(&["build"]),
    verb::<image::history::History>(&["history"]),
    verb::<image::import::Import>(&["import"]),
    verb::<image::inspect::Inspect>(&["inspect"]),
    verb::<image::layers::Layers>(&["layers"]),
    verb::<image::load::Load>(&["load"]),
    verb::<image::list::List>(&["ls", "list"]),
    verb::<image::prune::Prune>(&["prune"]),
    verb::<image::pull::Pull>(&["pull"]),
    verb::<image::push::Push>(&["push"]),
    verb::<image::remove::Remove>(&["rm", "remove"]),
    verb::<image::save::Save>(&["save"]),
    verb::<image::tag::Tag>(&["tag"]),
];

static NETWORK: &[Node] = &[
    verb::<network::connect::Connect>(&["connect"]),
    verb::<network::create::Create>(&["create"]),
    verb::<network::disconnect::Disconnect>(&["disconnect"]),
    verb::<network::inspect::Inspect>(&["inspect"]),
    verb::<network::list::List>(&["ls", "list"]),
    verb::<network::prune::Prune>(&["prune"]),
    verb::<network::remove::Remove>(&["rm", "remove"]),
];

static PLUGIN: &[Node] = &[
    verb::<plugin::create::Create>(&["create"]),
    verb::<plugin::disable::Disable>(&["disable"]),
    verb::<plugin::enable::Enable>(&["enable"]),
    verb::<plugin::inspect::Inspect>(&["inspect"]),
    verb::<plugin::install::Install>(&["install"]),
    verb::<plugin::list::List>(&["ls", "list"]),
    verb::<plugin::push::Push>(&["push"]),
    verb::<plugin::remove::Remove>(&["rm", "remove"]),
    verb::<plugin::set::Set>(&["set"]),
    verb::<plugin::upgrade::Upgrade>(&["upgrade"]),
];

static MANIFEST: &[Node] = &[
    verb::<registry::manifest::annotate::Annotate>(&["annotate"]),
    verb::<registry::manifest::create::Create>(&["create"]),
    verb::<registry::manifest::inspect::Inspect>(&["inspect"]),
    verb::<registry::manifest::push::Push>(&["push"]),
    verb::<registry::manifest::remove::Remove>(&["rm"]),
];

static SYSTEM: &[Node] = &[
    verb::<system::check::Check>(&["check"]),
    verb::<system::df::Df>(&["df"]),
    verb::<system::dial_stdio::DialStdio>(&["dial-stdio"]),
    verb::<system::events::Events>(&["events"]),
    verb::<system::info::Info>(&["info"]),
    verb::<system::prune::Prune>(&["prune"]),
];
