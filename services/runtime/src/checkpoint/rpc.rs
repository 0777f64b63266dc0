//! The messages of CRIU's RPC (`images/rpc.proto` of CRIU 3.17 to 4), as far as a container runtime needs them.

use gantry_protobuf::messages;

use super::options::{CgroupMode, Switch};

/// Kinds of requests and answers.
pub(super) const DUMP: u32 = 1;
pub(super) const RESTORE: u32 = 2;
pub(super) const PRE_DUMP: u32 = 4;
pub(super) const NOTIFY: u32 = 6;
pub(super) const FEATURE_CHECK: u32 = 9;
pub(super) const VERSION: u32 = 10;

/// `CLONE_NEWNET`, for namespaces that stay empty.
pub(super) const NETWORK: u32 = 0x4000_0000;

messages! {
    pub(super) struct Request {
        1 => kind: u32,
        2 => options: Option<Options>,
        /// The answer to a notification.
        3 => notify_success: bool,
        5 => features: Option<Features>,
    }

    /// Numbers of descriptors are the requester's, except those to inherit.
    pub(super) struct Options {
        1 => images_dir_fd: u32,
        2 => pid: u32,
        3 => leave_running: bool,
        4 => ext_unix_sk: bool,
        5 => tcp_established: bool,
        6 => evasive_devices: bool,
        7 => shell_job: bool,
        8 => file_locks: bool,
        9 => log_level: u32,
        10 => log_file: String,
        11 => page_server: Option<PageServerInfo>,
        12 => notify_scripts: bool,
        13 => root: String,
        14 => parent_img: String,
        15 => track_mem: bool,
        16 => auto_dedup: bool,
        17 => work_dir_fd: u32,
        18 => link_remap: bool,
        23 => ext_mnt: Vec<ExtMount>,
        24 => manage_cgroups: bool,
        25 => cg_root: Vec<CgroupRoot>,
        26 => rst_sibling: bool,
        27 => inherit_fd: Vec<InheritFd>,
        34 => manage_cgroups_mode: Option<u32>,
        37 => external: Vec<String>,
        38 => empty_ns: u32,
        39 => join_ns: Vec<JoinNamespace>,
        44 => freeze_cgroup: String,
        46 => tcp_skip_in_flight: bool,
        48 => lazy_pages: bool,
        49 => status_fd: u32,
        50 => orphan_pts_master: bool,
        51 => config_file: String,
        53 => lsm_profile: String,
        63 => lsm_mount_context: String,
    }

    pub(super) struct PageServerInfo {
        1 => address: String,
        2 => port: u32,
    }

    /// A mount whose source is outside the container. At a dump: its place in the container and a name; at a restore: the name and
    /// what to bind.
    pub(super) struct ExtMount {
        1 => key: String,
        2 => value: String,
    }

    /// Where the processes' cgroup is now. Without a controller: in every hierarchy that is not named.
    pub(super) struct CgroupRoot {
        1 => controller: String,
        2 => path: String,
    }

    /// A descriptor of CRIU's process that takes the place of what the images name.
    pub(super) struct InheritFd {
        1 => key: String,
        /// Zero counts: it is the standard input.
        2 => fd: Option<u32>,
    }

    pub(super) struct JoinNamespace {
        1 => kind: String,
        2 => file: String,
    }

    pub(super) struct Features {
        1 => mem_track: bool,
        2 => lazy_pages: bool,
    }

    pub(super) struct Response {
        1 => kind: u32,
        2 => success: bool,
        4 => restored: Option<Restored>,
        5 => notify: Option<Notify>,
        7 => errno: i32,
        8 => features: Option<Features>,
        9 => message: String,
        10 => version: Option<Version>,
    }

    pub(super) struct Restored {
        1 => pid: i32,
    }

    pub(super) struct Notify {
        1 => script: String,
        2 => pid: i32,
    }

    pub(super) struct Version {
        1 => major: u32,
        2 => minor: u32,
        4 => sublevel: u32,
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.sublevel)
    }
}

impl Options {
    /// The settings that both directions share.
    pub(super) fn switch_on(&mut self, switches: &[Switch]) {
        for switch in switches {
            *match switch {
                Switch::TcpEstablished => &mut self.tcp_established,
                Switch::TcpSkipInFlight => &mut self.tcp_skip_in_flight,
                Switch::ExternalUnixSockets => &mut self.ext_unix_sk,
                Switch::ShellJob => &mut self.shell_job,
                Switch::FileLocks => &mut self.file_locks,
                Switch::LazyPages => &mut self.lazy_pages,
                Switch::AutoDedup => &mut self.auto_dedup,
                Switch::LinkRemap => &mut self.link_remap,
            } = true;
        }
    }
}

/// CRIU's number for the mode.
pub(super) fn cgroup_mode(mode: CgroupMode) -> u32 {
    match mode {
        CgroupMode::Ignore => 0,
        CgroupMode::Soft => 3,
        CgroupMode::Full => 4,
        CgroupMode::Strict => 5,
        CgroupMode::Default => 6,
    }
}

#[cfg(test)]
mod tests {
    use gantry_protobuf::Message;

    use super::*;

    #[test]
    fn requests_have_the_bytes_of_the_proto_file() {
        let mut options = Options {
            images_dir_fd: 5,
            manage_cgroups_mode: Some(cgroup_mode(CgroupMode::Ignore)),
            inherit_fd: vec![InheritFd { key: "pipe:[1]".into(), fd: Some(0) }],
            ..Options::default()
        };
        options.switch_on(&[Switch::ShellJob]);
        let request = Request { kind: DUMP, options: Some(options), ..Request::default() };
        let mut inner = vec![8, 5, 7 << 3, 1];
        inner.extend(b"\xda\x01\x0c\x0a\x08pipe:[1]\x10\x00");
        // The mode is written although it is zero: absent means another one.
        inner.extend([0x90, 2, 0]);
        let mut expected = vec![8, 1, 2 << 3 | 2, u8::try_from(inner.len()).unwrap()];
        expected.extend(inner);
        assert_eq!(request.encode(), expected);
    }

    #[test]
    fn a_version_reads_like_the_programs_own() {
        let answer = b"\x08\x0a\x10\x01\x52\x06\x08\x03\x10\x11\x20\x01";
        let response = Response::decode(answer).unwrap();
        assert!(response.success && response.kind == VERSION);
        assert_eq!(response.version.unwrap().to_string(), "3.17.1");
    }
}
