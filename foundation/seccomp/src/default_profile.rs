//! Docker's default profile: which calls a container may make, and which of them depend on its capabilities.
//!
//! The facts follow Docker's profile of 2026 (moby/profiles, `seccomp/default.json`) for `x86_64` and aarch64. Rules that hold
//! only before Linux 4.8 or on other machines are left out. Calls that are missing here fail with EPERM.

use crate::action::{Action, ENOSYS, EPERM};
use crate::architecture::Machine;
use crate::rule::{Condition, Operator, Profile, Rule};

/// Calls that every container may make.
const ALWAYS: &str = "\
    accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime \
    clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 \
    close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old \
    epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat \
    faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat \
    fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs \
    fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat \
    getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer \
    getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit \
    get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr \
    getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents \
    io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule \
    landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr \
    listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier \
    memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr \
    mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal \
    msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open \
    openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll \
    ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev \
    pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages \
    removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction \
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 \
    rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min \
    sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam \
    sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile \
    sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 \
    setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 \
    setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat \
    shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat \
    stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time \
    timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create \
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask \
    uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write \
    writev";

/// Calls that look into other processes; the kernel checks them itself since Linux 4.8.
const TRACING: &str = "process_vm_readv process_vm_writev ptrace";

const ON_X86_64: &[&str] = &["arch_prctl", "modify_ldt"];
const ON_AARCH64: &[&str] =
    &["arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"];

/// Calls that a capability opens.
const BY_CAPABILITY: &[(&str, &str)] = &[
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules \
         lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname \
         sethostname setns syslog umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    ("CAP_SYS_PACCT", "acct"),
    (
        "CAP_SYS_PTRACE",
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    ),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    ("CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// Address families of `socket` besides those below 12. Kernel code behind the missing ones is rarely used and has been
/// a way out: `DECnet`, ECONET, ATMSVC, IRDA, WANPIPE, IUCV, CAIF, ALG (the kernel's crypto) and VSOCK (the hypervisor).
const SOCKET_FAMILIES: &[u64] = &[
    13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44,
    45,
];
const FIRST_FAMILY_OUTSIDE: u64 = 12;

/// Linux, Linux32, both with UNAME26, and the question what it is.
const PERSONALITIES: &[u64] = &[0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The flags of `clone` that make namespaces (all but NEWTIME, which `clone` cannot take).
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// The profile for a process that may ever hold the `capabilities` (names such as `CAP_SYS_ADMIN`: its bounding set).
pub(crate) fn profile(machine: Machine, capabilities: &[&str]) -> Profile<'static> {
    let allow = |names: &'static str| Rule {
        names: names.split_ascii_whitespace().collect(),
        action: Action::Allow,
        conditions: Vec::new(),
    };
    let allow_if = |name: &'static str, operator: Operator| Rule {
        names: vec![name],
        action: Action::Allow,
        conditions: vec![Condition { index: 0, operator }],
    };

    let mut rules = vec![allow(ALWAYS), allow(TRACING)];
    rules.push(allow_if("socket", Operator::Less(FIRST_FAMILY_OUTSIDE)));
    rules.extend(SOCKET_FAMILIES.iter().map(|&family| allow_if("socket", Operator::Equal(family))));
    rules.extend(PERSONALITIES.iter().map(|&it| allow_if("personality", Operator::Equal(it))));
    let on_machine = match machine {
        Machine::X86_64 => ON_X86_64,
        Machine::Aarch64 => ON_AARCH64,
    };
    rules.extend(on_machine.iter().map(|names| allow(names)));
    for (capability, names) in BY_CAPABILITY {
        if capabilities.contains(capability) {
            rules.push(allow(names));
        }
    }
    if !capabilities.contains(&"CAP_SYS_ADMIN") {
        let no_namespaces = Operator::MaskedEqual { mask: CLONE_NAMESPACES, value: 0 };
        rules.push(allow_if("clone", no_namespaces));
        // Its flags lie in memory, where a filter cannot look: programs shall fall back to clone.
        rules.push(Rule {
            names: vec!["clone3"],
            action: Action::Errno(ENOSYS),
            conditions: Vec::new(),
        });
    }
    Profile {
        machine,
        architectures: machine.architectures().to_vec(),
        default_action: Action::Errno(EPERM),
        rules,
    }
}

/// Sets of capabilities that matter to the profile and whose programs are compiled with this crate: those that containers
/// have unless told otherwise, and none. All others in the usual set open no call.
pub(crate) const USUAL_CAPABILITIES: &[&[&str]] = &[&["CAP_SYS_CHROOT"], &[]];
