//! Cgroups that systemd knows: a transient unit for each container (`org.freedesktop.systemd1.Manager.StartTransientUnit`).
//!
//! The cgroup's directories and limits are made by `foundation/cgroup` as always, at the place that systemd gives to such a unit; the
//! unit makes systemd leave them alone (`Delegate`), and shows the container among the machine's units. Slices that a name implies
//! (`a-b.slice` lies in `a.slice`) are systemd's to make.

mod annotations;
mod bus;
mod devices;
mod message;
mod properties;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use gantry_cgroup::{Hierarchies, Layout, Slice, is_unit_name};
use gantry_oci::runtime::LinuxResources;

use crate::error::Error;
use bus::Bus;
use message::Encoder;
use properties::{Property, Value, limits};

const DEFAULT_PREFIX: &str = "gantry";
const SLICE: &str = ".slice";

/// Whose systemd it is: the machine's, or that of a user's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instance {
    System,
    User,
}

impl Instance {
    fn default_slice(self) -> &'static str {
        match self {
            Self::System => "system.slice",
            Self::User => "user.slice",
        }
    }

    /// The cgroup below which its units are, which is the root for the machine's.
    pub(crate) fn cgroup(self, bus: &Path) -> Result<String, Error> {
        let place = match self {
            Self::System => String::new(),
            Self::User => Bus::connect(bus)
                .and_then(|mut bus| bus.property("ControlGroup"))
                .map_err(failed("find the cgroup of the user's systemd"))?,
        };
        Ok(place.trim_end_matches('/').to_owned())
    }
}

/// A container's unit and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    slice: Slice,
    pub unit: String,
}

/// What a unit is told when it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitStart<'a> {
    /// A scope's first process.
    pub pid: i32,
    pub resources: &'a LinuxResources,
    /// Of the bundle: some set properties.
    pub annotations: &'a BTreeMap<String, String>,
}

impl Scope {
    /// From `cgroupsPath` as `slice:prefix:name`; without one the container's id is the name. A name that is a slice's is taken as it
    /// is, without the prefix.
    pub(crate) fn parse(cgroups_path: &str, id: &str, instance: Instance) -> Result<Self, Error> {
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
        let slice = if slice.is_empty() { instance.default_slice() } else { slice };
        let unit = match prefix {
            _ if name.ends_with(SLICE) => name.to_owned(),
            "" => format!("{name}.scope"),
            prefix => format!("{prefix}-{name}.scope"),
        };
        let parse = |name: &str| {
            let slice: Result<Slice, _> = name.parse();
            slice.map_err(|_| invalid(format!("{name:?} is not the name of a slice")))
        };
        let slice = parse(slice)?;
        if name.is_empty() || !is_unit_name(&unit) {
            return Err(invalid(format!("{unit:?} is not the name of a systemd unit")));
        }
        let scope = Self { slice, unit };
        // systemd puts a slice where its own name says.
        if scope.is_slice() && scope.cgroup_path() != parse(&scope.unit)?.cgroup_path() {
            let Self { slice, unit } = scope;
            return Err(invalid(format!(
                "the slice {unit:?} does not lie in {:?}",
                slice.as_str()
            )));
        }
        Ok(scope)
    }

    /// The cgroup that systemd gives to the unit, below the instance's own: `a-b.slice` lies in `a.slice`.
    pub(crate) fn cgroup_path(&self) -> String {
        format!("{}/{}", self.slice.cgroup_path(), self.unit)
    }

    fn is_slice(&self) -> bool {
        self.unit.ends_with(SLICE)
    }

    /// Starts the unit around a process, and waits until it is there.
    pub(crate) fn start(&self, bus: &Path, start: UnitStart<'_>) -> Result<(), Error> {
        let failed = failed("start the container's systemd unit");
        let body = self.start_body(&self.properties(start)?);
        let begin = |bus: &mut Bus| -> io::Result<String> {
            let method = ("StartTransientUnit", "ssa(sv)a(sa(sv))");
            let reply = match bus.call_systemd(method, body.clone()) {
                // What is left of a unit of this name that failed once is forgotten; one that lives is not ours.
                Err(error) if is_error(&error, "UnitExists") => {
                    bus.call_systemd(("ResetFailedUnit", "s"), text_body(&self.unit))?;
                    bus.call_systemd(method, body.clone())?
                }
                reply => reply?,
            };
            let job = reply.reader().string()?;
            bus.wait_for_job(&job)
        };
        let result = Bus::connect(bus).and_then(|mut bus| begin(&mut bus));
        match result.map_err(&failed)?.as_str() {
            "done" => Ok(()),
            result => Err(failed(io::Error::other(format!("{}: {result}", self.unit)))),
        }
    }

    fn properties(&self, start: UnitStart<'_>) -> Result<Vec<Property>, Error> {
        let text = |name: &str, value: String| Property::new(name, Value::Text(value));
        let switch = |name: &str, on| Property::new(name, Value::Switch(on));
        let layout = layout()?;
        let io = if layout == Layout::Unified { "IOAccounting" } else { "BlockIOAccounting" };
        let mut list = vec![text("Description", format!("container {}", self.unit))];
        if self.is_slice() {
            // Where a slice lies its name says; processes are not given to one.
            list.push(Property::new("Wants", Value::Texts(vec![self.slice.to_string()])));
        } else {
            list.push(text("Slice", self.slice.to_string()));
            list.push(switch("Delegate", true));
            let pid = u32::try_from(start.pid).unwrap_or(0);
            list.push(Property::new("PIDs", Value::Pids(vec![pid])));
        }
        for name in ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"] {
            list.push(switch(name, true));
        }
        list.push(switch("DefaultDependencies", false));
        list.extend(limits(start.resources, layout, true)?);
        list.extend(annotations::properties(start.annotations)?);
        Ok(list)
    }

    fn start_body(&self, properties: &[Property]) -> Vec<u8> {
        let mut body = Encoder::default();
        body.string(&self.unit);
        // A unit of this name that exists already is an error.
        body.string("fail");
        body.array(8, |list| properties.iter().for_each(|property| property.encode(list)));
        body.array(8, |_| ());
        body.finish()
    }
}

/// Tells systemd of new limits, for as long as the unit is there.
pub(crate) fn update(unit: &str, bus: &Path, resources: &LinuxResources) -> Result<(), Error> {
    let properties = limits(resources, layout()?, false)?;
    if properties.is_empty() {
        return Ok(());
    }
    let mut body = Encoder::default();
    body.string(unit);
    // Not written to files: the unit is transient itself.
    body.boolean(true);
    body.array(8, |list| properties.iter().for_each(|property| property.encode(list)));
    let body = body.finish();
    let method = ("SetUnitProperties", "sba(sv)");
    Bus::connect(bus)
        .and_then(|mut bus| bus.call_systemd(method, body))
        .map(drop)
        .map_err(failed("change the container's systemd unit"))
}

/// Stops a unit whose processes are gone already, waits until it is, and lets systemd forget that it may have failed. One that systemd
/// does not know any more is fine.
pub(crate) fn stop(unit: &str, bus: &Path) -> Result<(), Error> {
    let mut body = Encoder::default();
    body.string(unit);
    body.string("replace");
    let body = body.finish();
    let stopped = Bus::connect(bus).and_then(|mut bus| {
        let reply = bus.call_systemd(("StopUnit", "ss"), body)?;
        let job = reply.reader().string()?;
        bus.wait_for_job(&job)?;
        bus.call_systemd(("ResetFailedUnit", "s"), text_body(unit)).map(drop)
    });
    match stopped {
        Err(error) if is_error(&error, "NoSuchUnit") => Ok(()),
        result => result.map_err(failed("stop the container's systemd unit")),
    }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::System { what, source }
}

/// Errors of calls begin with their names.
fn is_error(error: &io::Error, name: &str) -> bool {
    let text = error.to_string();
    text.strip_prefix("org.freedesktop.systemd1.").is_some_and(|rest| rest.starts_with(name))
}

fn text_body(text: &str) -> Vec<u8> {
    let mut body = Encoder::default();
    body.string(text);
    body.finish()
}

fn layout() -> Result<Layout, Error> {
    Ok(Hierarchies::detect().map_err(Error::Cgroup)?.layout())
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
            ("a.slice:p:a-b.slice", "a-b.slice", "/a.slice/a-b.slice"),
        ] {
            let scope = Scope::parse(path, "c1", Instance::System).unwrap();
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
            assert!(Scope::parse(path, "c1", Instance::System).is_err(), "{path}");
        }
        let user = Scope::parse("", "c1", Instance::User).unwrap();
        assert_eq!(user.cgroup_path(), "/user.slice/gantry-c1.scope");
    }
}
