//! `events`: what has happened and what happens, as far as a client wants to hear of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gantry_api::system::EventMessage;
use gantry_types::{Filters, Timestamp};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::Result;
use crate::engine::Engine;

/// The filters that there are.
const FILTERS: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// Which events a client wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsOptions {
    /// What is remembered from this moment on comes first.
    pub since: Option<Timestamp>,
    /// The stream ends then; a moment in the past ends it after what is remembered.
    pub until: Option<Timestamp>,
    pub filters: Filters,
}

/// Events as they come.
pub struct EventStream {
    past: VecDeque<Arc<EventMessage>>,
    live: broadcast::Receiver<Arc<EventMessage>>,
    filters: Filters,
    until: Option<(Timestamp, Instant)>,
}

/// Why a stream of events has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The moment of `until` has come, or the daemon ends.
    InOrder,
    /// The client read too slowly and has missed this many.
    TooSlow(u64),
}

/// Begins to listen; what happens from now on is in the stream.
///
/// # Errors
/// A filter that there is not.
pub fn events(engine: &Engine, options: EventsOptions) -> Result<EventStream> {
    let EventsOptions { since, until, filters } = options;
    filters.check_keys(FILTERS)?;
    let (latest, live) = engine.events.listen();
    let asks_for_past = since.is_some() || until.is_some();
    let from = since.map_or(i128::MIN, Timestamp::as_nanos);
    let to = until.map_or(i128::MAX, Timestamp::as_nanos);
    let within = |event: &Arc<EventMessage>| {
        asks_for_past && (from..=to).contains(&i128::from(event.time_nano))
    };
    let past = latest.into_iter().filter(within).filter(|event| passes(&filters, event)).collect();
    let until = until.map(|moment| {
        let left = moment.since(gantry_sys::clock::now());
        // A moment that no clock reaches is no end.
        let end = Instant::now().checked_add(left).unwrap_or_else(|| Instant::now() + FAR);
        (moment, end)
    });
    Ok(EventStream { past, live, filters, until })
}

/// As good as for ever.
const FAR: Duration = Duration::from_secs(u32::MAX as u64);

impl EventStream {
    /// The next event.
    ///
    /// # Errors
    /// There is none any more.
    pub async fn next(&mut self) -> Result<Arc<EventMessage>, Ended> {
        if let Some(event) = self.past.pop_front() {
            return Ok(event);
        }
        loop {
            let event = match self.until {
                None => self.live.recv().await,
                Some((moment, end)) => match tokio::time::timeout_at(end, self.live.recv()).await {
                    Err(_) => return Err(Ended::InOrder),
                    Ok(Ok(event)) if i128::from(event.time_nano) > moment.as_nanos() => {
                        return Err(Ended::InOrder);
                    }
                    Ok(result) => result,
                },
            };
            match event {
                Ok(event) if passes(&self.filters, &event) => return Ok(event),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => return Err(Ended::TooSlow(missed)),
                Err(RecvError::Closed) => return Err(Ended::InOrder),
            }
        }
    }
}

/// Whether a client that gave these filters wants this event.
fn passes(filters: &Filters, event: &EventMessage) -> bool {
    let attribute = |name: &str| event.actor.attributes.get(name).map_or("", String::as_str);
    let is_action = |wanted: &String| {
        event.action == *wanted
            || event.action.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with(':'))
    };
    // The beginning of an id or of a name is enough.
    let names = |wanted: &String| {
        event.actor.id.starts_with(wanted.as_str())
            || attribute("name").starts_with(wanted.as_str())
    };
    let of_kind = |kind: &str| {
        filters.get(kind).is_none() || (event.kind == kind && filters.allows(kind, names))
    };
    filters.allows("event", is_action)
        && filters.allows("type", |kind| event.kind == *kind)
        && filters.allows("scope", |scope| event.scope == *scope)
        && [
            "container",
            "daemon",
            "plugin",
            "volume",
            "network",
            "service",
            "node",
            "secret",
            "config",
        ]
        .into_iter()
        .all(of_kind)
        && filters.allows("image", |wanted| is_image(event, wanted))
        && filters.has_labels("label", &event.actor.attributes)
}

/// An image's own events, and those of containers made from it; with its tag or without.
fn is_image(event: &EventMessage, wanted: &str) -> bool {
    let name = if event.kind == "image" { "name" } else { "image" };
    let name = event.actor.attributes.get(name).map_or("", String::as_str);
    [event.actor.id.as_str(), name].into_iter().any(|known| {
        let repository = match known.rsplit_once(':') {
            // What follows a port has a slash in it.
            Some((repository, tag)) if !tag.contains('/') => repository,
            _ => known,
        };
        !known.is_empty() && (known == wanted || repository == wanted)
    })
}

#[cfg(test)]
mod tests {
    use gantry_api::system::EventActor;

    use super::*;

    fn event(kind: &str, action: &str, attributes: &[(&str, &str)]) -> EventMessage {
        let attributes = attributes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        EventMessage {
            kind: kind.into(),
            action: action.into(),
            actor: EventActor { id: "0123abcd".into(), attributes },
            scope: "local".into(),
            ..EventMessage::default()
        }
    }

    #[test]
    fn filters_as_docker_reads_them() {
        let web = event(
            "container",
            "exec_create: sh -c x",
            &[("name", "web1"), ("image", "r:5000/app:1"), ("tier", "front")],
        );
        let allows = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            passes(&pairs.collect(), &web)
        };
        for pairs in [
            &[][..],
            &[("event", "exec_create")],
            &[("event", "die"), ("event", "exec_create")],
            &[("container", "0123")],
            &[("container", "web1"), ("type", "container")],
            &[("image", "r:5000/app:1")],
            &[("image", "r:5000/app")],
            &[("label", "tier=front"), ("label", "name")],
            &[("scope", "local")],
        ] {
            assert!(allows(pairs), "{pairs:?}");
        }
        for pairs in [
            &[("event", "exec")][..],
            &[("container", "db")],
            &[("type", "image")],
            &[("network", "0123")],
            &[("image", "app")],
            &[("label", "tier=back")],
            &[("scope", "swarm")],
        ] {
            assert!(!allows(pairs), "{pairs:?}");
        }
    }
}
