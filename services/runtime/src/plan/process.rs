//! The process of a container or of an exec: checked arguments, limits and rights.

use gantry_oci::runtime::{
    ConsoleSize, ExecCpuAffinity, LinuxCapabilities, Personality, Process, Rlimit, User,
};
use gantry_sys::schedule::SchedAttr;
use rustix::process::Resource;
use rustix::thread::CpuSet;

use super::{CapabilityPlan, LabelPlan, list};
use crate::failure::Failure;

/// What the new process makes of itself.
#[derive(Debug)]
pub(crate) struct ProcessPlan {
    pub user: User,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub terminal: bool,
    pub console_size: Option<ConsoleSize>,
    /// No capabilities in the document mean none at all.
    pub capabilities: CapabilityPlan,
    pub rlimits: Vec<RlimitPlan>,
    pub no_new_privileges: bool,
    pub labels: LabelPlan,
    pub oom_score_adj: Option<i32>,
    pub scheduler: Option<SchedAttr>,
    /// Class and priority.
    pub io_priority: Option<(u16, u16)>,
    pub exec_cpus: ExecCpus,
}

/// The CPUs for an exec, before and after the move into the container's cgroup.
#[derive(Debug, Default)]
pub(crate) struct ExecCpus {
    pub initial: Option<CpuSet>,
    pub last: Option<CpuSet>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RlimitPlan {
    pub resource: Resource,
    pub name: &'static str,
    pub soft: u64,
    pub hard: u64,
}

const RESOURCES: [(&str, Resource); 16] = [
    ("RLIMIT_AS", Resource::As),
    ("RLIMIT_CORE", Resource::Core),
    ("RLIMIT_CPU", Resource::Cpu),
    ("RLIMIT_DATA", Resource::Data),
    ("RLIMIT_FSIZE", Resource::Fsize),
    ("RLIMIT_LOCKS", Resource::Locks),
    ("RLIMIT_MEMLOCK", Resource::Memlock),
    ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
    ("RLIMIT_NICE", Resource::Nice),
    ("RLIMIT_NOFILE", Resource::Nofile),
    ("RLIMIT_NPROC", Resource::Nproc),
    ("RLIMIT_RSS", Resource::Rss),
    ("RLIMIT_RTPRIO", Resource::Rtprio),
    ("RLIMIT_RTTIME", Resource::Rttime),
    ("RLIMIT_SIGPENDING", Resource::Sigpending),
    ("RLIMIT_STACK", Resource::Stack),
];

impl ProcessPlan {
    pub(crate) fn new(process: &Process) -> Result<Self, Failure> {
        if process.args.is_empty() {
            return Err(Failure::invalid("process.args must not be empty"));
        }
        if !process.cwd.starts_with('/') {
            return Err(Failure::invalid(format!(
                "process.cwd {:?} is not an absolute path",
                process.cwd
            )));
        }
        let nul = process
            .args
            .iter()
            .chain(&process.env)
            .chain([&process.cwd])
            .find(|text| text.contains('\0'));
        if let Some(text) = nul {
            return Err(Failure::invalid(format!("{text:?} holds a NUL byte")));
        }
        if let Some(score) = process.oom_score_adj
            && !(-1000..=1000).contains(&score)
        {
            return Err(Failure::invalid(format!(
                "process.oomScoreAdj {score} is not between -1000 and 1000"
            )));
        }
        Ok(Self {
            user: process.user.clone(),
            args: process.args.clone(),
            env: process.env.clone(),
            cwd: process.cwd.clone(),
            terminal: process.terminal,
            console_size: process.console_size,
            capabilities: CapabilityPlan::new(
                process.capabilities.as_ref().unwrap_or(&LinuxCapabilities::default()),
            ),
            rlimits: rlimits(&process.rlimits)?,
            no_new_privileges: process.no_new_privileges,
            labels: LabelPlan::new(process)?,
            oom_score_adj: process.oom_score_adj,
            scheduler: process.scheduler.as_ref().map(scheduler).transpose()?,
            io_priority: process.io_priority.as_ref().map(io_priority).transpose()?,
            exec_cpus: exec_cpus(process.exec_cpu_affinity.as_ref())?,
        })
    }
}

fn exec_cpus(asked: Option<&ExecCpuAffinity>) -> Result<ExecCpus, Failure> {
    let Some(asked) = asked else { return Ok(ExecCpus::default()) };
    let list = |text: &str| (!text.is_empty()).then(|| cpu_list(text)).transpose();
    let (initial, last) = (list(&asked.initial)?, list(&asked.last)?);
    // The first list is for the way only: without another one the container's cgroup alone decides in the end.
    let last = last.or_else(|| initial.is_some().then(every_cpu));
    Ok(ExecCpus { initial, last })
}

fn every_cpu() -> CpuSet {
    set_of(0..CpuSet::MAX_CPU)
}

fn set_of(numbers: impl IntoIterator<Item = usize>) -> CpuSet {
    let mut cpus = CpuSet::new();
    for cpu in numbers {
        cpus.set(cpu);
    }
    cpus
}

fn cpu_list(text: &str) -> Result<CpuSet, Failure> {
    let numbers = list::numbers(text, CpuSet::MAX_CPU).ok_or_else(|| {
        Failure::invalid(format!("process.execCPUAffinity {text:?} is not a list such as 0-3,7"))
    })?;
    Ok(set_of(numbers))
}

fn rlimits(asked: &[Rlimit]) -> Result<Vec<RlimitPlan>, Failure> {
    let mut plans: Vec<RlimitPlan> = Vec::with_capacity(asked.len());
    for limit in asked {
        let Some((name, resource)) = RESOURCES.iter().find(|(name, _)| *name == limit.kind) else {
            return Err(Failure::invalid(format!("invalid rlimit type {:?}", limit.kind)));
        };
        if plans.iter().any(|plan| plan.name == *name) {
            return Err(Failure::invalid(format!("{name} is listed twice")));
        }
        if limit.soft > limit.hard {
            return Err(Failure::invalid(format!(
                "{name}: the soft limit {} is above the hard limit {}",
                limit.soft, limit.hard
            )));
        }
        plans.push(RlimitPlan { resource: *resource, name, soft: limit.soft, hard: limit.hard });
    }
    Ok(plans)
}

fn scheduler(asked: &gantry_oci::runtime::Scheduler) -> Result<SchedAttr, Failure> {
    const FLAGS: [(&str, u64); 7] = [
        ("SCHED_FLAG_RESET_ON_FORK", 0x01),
        ("SCHED_FLAG_RECLAIM", 0x02),
        ("SCHED_FLAG_DL_OVERRUN", 0x04),
        ("SCHED_FLAG_KEEP_POLICY", 0x08),
        ("SCHED_FLAG_KEEP_PARAMS", 0x10),
        ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
        ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
    ];
    let policy = match asked.policy.as_str() {
        "SCHED_OTHER" => 0,
        "SCHED_FIFO" => 1,
        "SCHED_RR" => 2,
        "SCHED_BATCH" => 3,
        "SCHED_ISO" => 4,
        "SCHED_IDLE" => 5,
        "SCHED_DEADLINE" => 6,
        other => {
            return Err(Failure::invalid(format!("process.scheduler.policy {other:?} is unknown")));
        }
    };
    let mut flags = 0;
    for flag in &asked.flags {
        let Some((_, bit)) = FLAGS.iter().find(|(name, _)| name == flag) else {
            return Err(Failure::invalid(format!("process.scheduler flag {flag:?} is unknown")));
        };
        flags |= bit;
    }
    let priority = u32::try_from(asked.priority)
        .map_err(|_| Failure::invalid("process.scheduler.priority is negative"))?;
    Ok(SchedAttr {
        size: 0,
        policy,
        flags,
        nice: asked.nice,
        priority,
        runtime: asked.runtime,
        deadline: asked.deadline,
        period: asked.period,
    })
}

fn io_priority(asked: &gantry_oci::runtime::IoPriority) -> Result<(u16, u16), Failure> {
    let class = match asked.class.as_str() {
        "IOPRIO_CLASS_RT" => 1,
        "IOPRIO_CLASS_BE" => 2,
        "IOPRIO_CLASS_IDLE" => 3,
        other => {
            return Err(Failure::invalid(format!("process.ioPriority.class {other:?} is unknown")));
        }
    };
    match u16::try_from(asked.priority) {
        Ok(priority) if priority < 8 => Ok((class, priority)),
        _ => Err(Failure::invalid(format!(
            "process.ioPriority.priority {} is not between 0 and 7",
            asked.priority
        ))),
    }
}

/// The execution domain as `personality(2)` takes it. The specification names no flags; these are the system call's own.
pub(crate) fn personality(asked: &Personality) -> Result<u32, Failure> {
    const FLAGS: [(&str, u32); 11] = [
        ("UNAME26", 0x002_0000),
        ("ADDR_NO_RANDOMIZE", 0x004_0000),
        ("FDPIC_FUNCPTRS", 0x008_0000),
        ("MMAP_PAGE_ZERO", 0x010_0000),
        ("ADDR_COMPAT_LAYOUT", 0x020_0000),
        ("READ_IMPLIES_EXEC", 0x040_0000),
        ("ADDR_LIMIT_32BIT", 0x080_0000),
        ("SHORT_INODE", 0x100_0000),
        ("WHOLE_SECONDS", 0x200_0000),
        ("STICKY_TIMEOUTS", 0x400_0000),
        ("ADDR_LIMIT_3GB", 0x800_0000),
    ];
    let mut persona = match asked.domain.as_str() {
        "LINUX" => 0,
        "LINUX32" => 8,
        other => {
            return Err(Failure::invalid(format!("linux.personality.domain {other:?} is unknown")));
        }
    };
    for flag in &asked.flags {
        let Some((_, bit)) = FLAGS.iter().find(|(name, _)| name == flag) else {
            return Err(Failure::invalid(format!("linux.personality flag {flag:?} is unknown")));
        };
        persona |= bit;
    }
    Ok(persona)
}
