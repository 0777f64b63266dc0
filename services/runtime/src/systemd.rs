//! Cgroups that systemd knows: a transient scope for each container (`org.freedesktop.systemd1.Manager.StartTransientUnit`).
//!
//! The cgroup's directories and limits are made by `foundation/cgroup` as always, at the place that systemd gives to such a unit; the
//! scope makes systemd leave them alone (`Delegate`), and shows the container among the machine's units.

mod bus;
mod message;

use std::io;
use std::path::Path;

use gantry_oci::runtime::LinuxResources;

use crate::error::Error;
use bus::Bus;
use message::Encoder;

const DEFAULT_SLICE: &str = "system.slice";
const DEFAULT_PREFIX: &str = "gantry";

/// A container's unit and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    slice: String,
    pub unit: String,
}

impl Scope {
    /// From `cgroupsPath` as `slice:prefix:name`; without one the container's id is the name.
    pub(crate) fn parse(cgroups_path: &str, id: &str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::InvalidConfig { reason };
        let (slice, prefix, name) = if cgroups_path.is_empty() {
            ("", DEFAULT_PREFIX, id)
        } else {
            let parts: Vec<&str> = cgroups_path.split(':').collect();
            let &[slice, prefix, name] = parts.as_slice() else {
                return Err(invalid(format!(
                    "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got {cgroups_path:?} instead"
                )));
            };
            (slice, prefix, name)
        };
        let slice = if slice.is_empty() { DEFAULT_SLICE } else { slice };
        if name.strip_suffix(".slice").is_some() {
            return Err(Error::Unsupported { what: "a slice as a container's own unit".into() });
        }
        let unit = match prefix {
            "" => format!("{name}.scope"),
            prefix => format!("{prefix}-{name}.scope"),
        };
        let parts = slice.strip_suffix(".slice").filter(|_| is_unit_name(slice));
        let good = |parts: &str| parts == "-" || parts.split('-').all(|part| !part.is_empty());
        if !parts.is_some_and(good) {
            return Err(invalid(format!("{slice:?} is not the name of a slice")));
        }
        if name.is_empty() || !is_unit_name(&unit) {
            return Err(invalid(format!("{unit:?} is not the name of a systemd unit")));
        }
        Ok(Self { slice: slice.to_owned(), unit })
    }

    /// The cgroup that systemd gives to the unit: `a-b.slice` lies in `a.slice`.
    pub(crate) fn cgroup_path(&self) -> String {
        let mut path = String::new();
        let parts = self.slice.strip_suffix(".slice").unwrap_or_default();
        if parts != "-" {
            let ends = parts.match_indices('-').map(|(at, _)| at).chain([parts.len()]);
            for end in ends {
                path.push('/');
                path.push_str(&parts[..end]);
                path.push_str(".slice");
            }
        }
        path + "/" + &self.unit
    }

    /// Starts the scope around a process, and waits until it is there.
    pub(crate) fn start(
        &self,
        bus: &Path,
        pid: i32,
        resources: &LinuxResources,
    ) -> Result<(), Error> {
        let failed = |source| Error::System { what: "start the container's systemd scope", source };
        let body = self.start_body(pid, resources);
        let started = || -> io::Result<String> {
            let mut bus = Bus::connect(bus)?;
            let reply = bus.call_systemd("StartTransientUnit", "ssa(sv)a(sa(sv))", body)?;
            let job = reply.reader().string()?;
            bus.wait_for_job(&job)
        };
        match started().map_err(failed)?.as_str() {
            "done" => Ok(()),
            result => Err(failed(io::Error::other(format!("{}: {result}", self.unit)))),
        }
    }

    fn start_body(&self, pid: i32, resources: &LinuxResources) -> Vec<u8> {
        let mut body = Encoder::default();
        body.string(&self.unit);
        // A unit of this name that exists already is an error.
        body.string("fail");
        body.array(8, |list| {
            text(list, "Description", &format!("container {}", self.unit));
            text(list, "Slice", &self.slice);
            for name in ["Delegate", "MemoryAccounting", "CPUAccounting", "TasksAccounting"] {
                switch(list, name, true);
            }
            switch(list, "DefaultDependencies", false);
            property(list, "PIDs", "au", |value| {
                value.array(4, |pids| pids.number(u32::try_from(pid).unwrap_or(0)));
            });
            // What systemd would write itself when it loads its units again must be the same.
            for (name, limit) in limits(resources) {
                property(list, name, "t", |value| value.long(limit));
            }
        });
        body.array(8, |_| ());
        body.finish()
    }
}

/// Stops a unit whose processes are gone already. One that systemd does not know any more is fine.
pub(crate) fn stop(unit: &str, bus: &Path) -> Result<(), Error> {
    let mut body = Encoder::default();
    body.string(unit);
    body.string("replace");
    let body = body.finish();
    let stopped = Bus::connect(bus).and_then(|mut bus| bus.call_systemd("StopUnit", "ss", body));
    match stopped {
        Err(error) if error.to_string().starts_with("org.freedesktop.systemd1.NoSuchUnit") => {
            Ok(())
        }
        result => result
            .map(drop)
            .map_err(|source| Error::System { what: "stop the container's systemd scope", source }),
    }
}

fn is_unit_name(name: &str) -> bool {
    name.len() < 256
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte))
}

fn property(list: &mut Encoder, name: &str, kind: &str, value: impl FnOnce(&mut Encoder)) {
    list.structure(|pair| {
        pair.string(name);
        pair.signature(kind);
        value(pair);
    });
}

fn text(list: &mut Encoder, name: &str, value: &str) {
    property(list, name, "s", |it| it.string(value));
}

fn switch(list: &mut Encoder, name: &str, value: bool) {
    property(list, name, "b", |it| it.boolean(value));
}

/// Limits as properties: unlimited is the highest number.
fn limits(resources: &LinuxResources) -> Vec<(&'static str, u64)> {
    let number = |limit: i64| u64::try_from(limit).unwrap_or(u64::MAX);
    let mut limits = Vec::new();
    if let Some(limit) = resources.memory.as_ref().and_then(|memory| memory.limit) {
        limits.push(("MemoryMax", number(limit)));
    }
    // Without a word systemd would set its own default.
    let tasks = resources.pids.and_then(|pids| pids.limit).unwrap_or(-1);
    limits.push(("TasksMax", number(tasks)));
    if let Some(cpu) = &resources.cpu
        && let (Some(quota), Some(period)) = (cpu.quota.filter(|quota| *quota > 0), cpu.period)
        && period > 0
    {
        // Microseconds a second, in systemd's steps of ten milliseconds.
        let per_second = number(quota).saturating_mul(1_000_000) / period;
        limits.push(("CPUQuotaPerSecUSec", per_second.next_multiple_of(10_000)));
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_scopes_in_their_slices() {
        for (path, unit, cgroup) in [
            ("", "gantry-c1.scope", "/system.slice/gantry-c1.scope"),
            (":docker:abc", "docker-abc.scope", "/system.slice/docker-abc.scope"),
            ("a-b-c.slice:p:n", "p-n.scope", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope"),
            ("-.slice::n", "n.scope", "/n.scope"),
        ] {
            let scope = Scope::parse(path, "c1").unwrap();
            assert_eq!((scope.unit.as_str(), scope.cgroup_path().as_str()), (unit, cgroup));
        }
        for path in [
            "/a/b",
            "a:b",
            "a:b:c:d",
            "a:b:c",
            "a--b.slice:p:n",
            "-a.slice:p:n",
            "../x.slice:p:n",
            "a.slice:p:",
            "a.slice:p:n/m",
            "a.slice:p:x.slice",
        ] {
            assert!(Scope::parse(path, "c1").is_err(), "{path}");
        }
    }

    #[test]
    fn limits_become_properties() {
        let resources = serde_json::from_str(
            r#"{"memory": {"limit": 5000}, "pids": {"limit": 7}, "cpu": {"quota": 50000, "period": 100000}}"#,
        );
        let expected = [("MemoryMax", 5000), ("TasksMax", 7), ("CPUQuotaPerSecUSec", 500_000)];
        assert_eq!(limits(&resources.unwrap()), expected);
        assert_eq!(limits(&LinuxResources::default()), [("TasksMax", u64::MAX)]);
    }
}
