//! All cases, in the order of the specification's documents and headings. One file per heading.

mod annotations;
mod capabilities;
mod cgroups_path;
mod console;
mod create;
mod default_devices;
mod delete;
mod device_list;
mod devices;
mod exec;
mod features;
mod filesystems;
mod hook_failures;
mod hooks;
mod host_names;
mod intel_rdt;
mod kill;
mod labels;
mod lifecycle;
mod masked_paths;
mod memory_policy;
mod mount_options;
mod mounts;
mod namespaces;
mod net_devices;
mod oom_score;
mod personality;
mod process;
mod propagation;
mod readonly_paths;
mod resources;
mod rlimits;
mod root;
mod scheduling;
mod seccomp;
mod seccomp_listener;
mod start;
mod state;
mod sysctl;
mod time_offsets;
mod user;
mod user_namespace;
mod version;

use crate::case::Section;

/// Every section of the suite.
pub(crate) fn all() -> Vec<Section> {
    vec![
        version::section(),
        root::section(),
        mounts::section(),
        mount_options::section(),
        process::section(),
        console::section(),
        rlimits::section(),
        capabilities::section(),
        oom_score::section(),
        scheduling::section(),
        labels::section(),
        user::section(),
        host_names::section(),
        hooks::section(),
        hook_failures::section(),
        annotations::section(),
        filesystems::section(),
        namespaces::section(),
        user_namespace::section(),
        time_offsets::section(),
        devices::section(),
        default_devices::section(),
        cgroups_path::section(),
        device_list::section(),
        resources::memory::section(),
        resources::cpu::section(),
        resources::block_io::section(),
        resources::hugetlb::section(),
        resources::network::section(),
        resources::pids::section(),
        resources::rdma::section(),
        resources::unified::section(),
        resources::update::section(),
        intel_rdt::section(),
        sysctl::section(),
        seccomp::section(),
        seccomp_listener::section(),
        propagation::section(),
        masked_paths::section(),
        readonly_paths::section(),
        personality::section(),
        memory_policy::section(),
        net_devices::section(),
        state::section(),
        lifecycle::section(),
        create::section(),
        start::section(),
        exec::section(),
        kill::section(),
        delete::section(),
        features::section(),
    ]
}
