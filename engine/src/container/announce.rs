//! A container's events: its labels, its image and its name go with each of them.

use std::borrow::Cow;

use crate::engine::Engine;
use crate::events::{Event, Kind};
use crate::record::ContainerRecord;

/// Something that happened to a container, for who has more to say about it.
pub(crate) fn event(record: &ContainerRecord, action: impl Into<Cow<'static, str>>) -> Event {
    let config = &record.plan.config;
    Event::new(Kind::Container, action, record.id.as_str())
        .with("image", config.image.as_str())
        .with("name", record.name.as_str())
        .with_all(&config.labels)
}

/// Tells everybody.
pub(crate) fn tell(
    engine: &Engine,
    record: &ContainerRecord,
    action: impl Into<Cow<'static, str>>,
) {
    engine.events.tell(event(record, action));
}
