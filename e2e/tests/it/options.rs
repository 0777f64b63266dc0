//! What a container may use and what keeps it apart, option by option: looked at from inside, or in its cgroup.

mod cdi;
mod daemon_defaults;
mod devices;
mod limits;
mod modes;
mod runtimes;
mod security;
mod storage;
mod words;
