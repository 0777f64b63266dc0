//! The filters of a list: which there are, what they take, and which containers they let through.

use gantry_api::network::Port;
use gantry_types::Filters;

use super::network_settings;
use crate::Result;
use crate::error::Error;
use crate::image;
use crate::patterns::Patterns;
use crate::record::{ContainerRecord, HealthStatus, State};

const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// Every state of the Engine API, whether ours have it or not.
const STATUSES: [&str; 7] =
    ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

/// The health of a container, `none` without a check.
const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

/// Fails on keys that are no filters, and on values that nothing could ever have.
pub(super) fn check(filters: &Filters) -> Result<()> {
    filters.check_keys(FILTERS).map_err(|error| Error::invalid(error.to_string()))?;
    let check = |key: &str, is_valid: fn(&str) -> bool| {
        let values = filters.get(key).into_iter().flatten();
        let invalid = values.into_iter().find(|value| !is_valid(value));
        invalid
            .map_or(Ok(()), |value| Err(Error::invalid(format!("invalid filter '{key}={value}'"))))
    };
    check("status", |value| STATUSES.contains(&value))?;
    check("health", |value| HEALTHS.contains(&value))?;
    check("exited", |value| exit_code(value).is_some())?;
    check("expose", |value| Ports::parse(value).is_some())?;
    check("publish", |value| Ports::parse(value).is_some())?;
    filters.flag("is-task")?;
    Ok(())
}

/// What is to be found in a container's id and name.
pub(super) struct Wanted<'a> {
    ids: Patterns<'a>,
    names: Patterns<'a>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(filters: &'a Filters) -> Self {
        Self { ids: Patterns::of(filters, "id"), names: Patterns::of(filters, "name") }
    }

    /// A pattern may have the slash before a name that Docker's documents have.
    fn is(&self, record: &ContainerRecord) -> bool {
        let name = record.name.as_str();
        self.ids.allow(record.id.as_str())
            && (self.names.allow(name) || self.names.allow(&format!("/{name}")))
    }
}

/// Whether a container is one of those that are meant. `before` and `since` are judged elsewhere.
pub(super) fn hold(
    record: &ContainerRecord,
    (filters, wanted): (&Filters, &Wanted<'_>),
    names: &mut image::NameCache<'_>,
) -> bool {
    // Several labels must all be there; several values of any other key are alternatives.
    filters.has_labels("label", &record.plan.config.labels)
        && wanted.is(record)
        && filters.allows("status", |text| record.state.name() == text)
        && filters.allows("exited", |text| {
            matches!(record.state, State::Exited { .. })
                && exit_code(text) == Some(i64::from(record.state.exit_code()))
        })
        && filters.allows("health", |text| health(record) == text)
        // There are no tasks outside of a swarm.
        && filters.flag("is-task") != Ok(Some(true))
        && filters.allows("isolation", |text| isolation(record) == text)
        && ports(record, filters)
        && filters.allows("volume", |text| has_volume(record, text))
        && filters.allows("network", |text| network_settings::is_in(record, text))
        && filters.allows("ancestor", |text| names.is_ancestor(record, text))
}

fn exit_code(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn health(record: &ContainerRecord) -> &'static str {
    record.health.as_ref().map(|health| health.status).map_or("none", HealthStatus::name)
}

fn isolation(record: &ContainerRecord) -> &str {
    match record.plan.host_config.isolation.as_str() {
        "" => "default",
        isolation => isolation,
    }
}

fn has_volume(record: &ContainerRecord, text: &str) -> bool {
    record.plan.mounts.iter().any(|mount| {
        let mount = mount.to_mount_point();
        [mount.name, mount.source, mount.destination].iter().any(|known| known == text)
    })
}

/// A port or a range of ports, of one protocol.
#[derive(Debug, PartialEq, Eq)]
struct Ports<'a> {
    first: u16,
    last: u16,
    protocol: &'a str,
}

impl<'a> Ports<'a> {
    /// `80`, `80/tcp`, `80-90/udp`.
    fn parse(text: &'a str) -> Option<Self> {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && ["tcp", "udp", "sctp"].contains(&protocol)).then_some(Self {
            first,
            last,
            protocol,
        })
    }

    fn have(&self, port: u16, protocol: &str) -> bool {
        (self.first..=self.last).contains(&port) && self.protocol == protocol
    }
}

/// `expose` asks for ports of the container, `publish` for those of the host that lead there.
fn ports(record: &ContainerRecord, filters: &Filters) -> bool {
    if filters.get("expose").is_none() && filters.get("publish").is_none() {
        return true;
    }
    let open = network_settings::ports(record);
    let exposes = |text: &str| {
        let Some(ports) = Ports::parse(text) else { return false };
        let mut exposed = record.plan.config.exposed_ports.iter();
        exposed.any(|known| {
            Ports::parse(known).is_some_and(|known| ports.have(known.first, known.protocol))
        }) || open.iter().any(|port| ports.have(port.private_port, &port.r#type))
    };
    let publishes = |text: &str| {
        let Some(ports) = Ports::parse(text) else { return false };
        let is_public =
            |port: &Port| port.public_port != 0 && ports.have(port.public_port, &port.r#type);
        open.iter().any(is_public)
    };
    filters.allows("expose", |text| exposes(text))
        && filters.allows("publish", |text| publishes(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_or_ranges() {
        let ports = |first, last, protocol| Some(Ports { first, last, protocol });
        assert_eq!(Ports::parse("80"), ports(80, 80, "tcp"));
        assert_eq!(Ports::parse("80-90/udp"), ports(80, 90, "udp"));
        for text in ["", "x", "90-80", "80/icmp", "70000"] {
            assert_eq!(Ports::parse(text), None, "{text}");
        }
        assert!(ports(80, 90, "tcp").unwrap().have(85, "tcp"));
        assert!(!ports(80, 90, "tcp").unwrap().have(85, "udp"));
    }

    #[test]
    fn values_that_nothing_has_are_refused() {
        let check = |key: &str, value: &str| {
            check(&[(key.to_owned(), value.to_owned())].into_iter().collect())
        };
        for (key, value) in [
            ("status", "asleep"),
            ("health", "well"),
            ("exited", "x"),
            ("expose", "x"),
            ("is-task", "maybe"),
            ("colour", "red"),
        ] {
            assert!(check(key, value).is_err(), "{key}={value}");
        }
        check("health", "none").unwrap();
        check("publish", "80-90/tcp").unwrap();
    }
}
