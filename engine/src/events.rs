//! What happens to the engine's objects, told once and heard by whoever listens: a bounded memory of the latest events
//! and a broadcast. Which of them a client hears is `system::events`' matter.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use gantry_api::system::{EventActor, EventMessage};
use gantry_types::Timestamp;
use tokio::sync::broadcast;

/// How many events are remembered for `since`; of execs as many again.
const REMEMBERED: usize = 1024;

/// How much memory each of the two may take.
const REMEMBERED_BYTES: usize = 4 << 20;

/// How much one event's attributes may take: an image's labels have megabytes if it wants. Those that go beyond are left
/// out.
const ATTRIBUTES_BYTES: usize = 32 << 10;

/// The longest action and the longest attribute of an event's own; a command line goes no further.
const WORD_BYTES: usize = 4 << 10;

/// What an attribute takes besides its bytes.
const ATTRIBUTE_BYTES: usize = 64;

/// How many events a listener may be behind before it is let go.
const BEHIND: usize = 1024;

/// The sort of object that an event happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Builder,
    Container,
    Daemon,
    Image,
    Network,
    Plugin,
    Volume,
}

impl Kind {
    /// The word of the Engine API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Container => "container",
            Self::Daemon => "daemon",
            Self::Image => "image",
            Self::Network => "network",
            Self::Plugin => "plugin",
            Self::Volume => "volume",
        }
    }
}

/// Something that happened. When it did is written by [`Events::tell`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub kind: Kind,
    /// The API's word: `start`, `pull`, `exec_create: sh`.
    pub action: Cow<'static, str>,
    /// The object's id; of a volume its name, of an image what the caller called it.
    pub actor: String,
    pub attributes: BTreeMap<String, String>,
}

impl Event {
    /// That a prune of this kind is over.
    pub(crate) fn pruned(kind: Kind, reclaimed_bytes: u64) -> Self {
        Self::new(kind, "prune", "").with("reclaimed", reclaimed_bytes.to_string())
    }

    /// An event without attributes.
    pub(crate) fn new(
        kind: Kind,
        action: impl Into<Cow<'static, str>>,
        actor: impl Into<String>,
    ) -> Self {
        let action = match action.into() {
            Cow::Owned(text) => Cow::Owned(shortened(text)),
            word @ Cow::Borrowed(_) => word,
        };
        Self { kind, action, actor: actor.into(), attributes: BTreeMap::new() }
    }

    /// With one more attribute.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(name.to_owned(), shortened(value.into()));
        self
    }

    /// With all of these, as far as there is room; they give way to attributes that are there.
    pub(crate) fn with_all(mut self, attributes: &BTreeMap<String, String>) -> Self {
        let mut room = ATTRIBUTES_BYTES.saturating_sub(bytes_of(&self.attributes));
        for (name, value) in attributes {
            let bytes = ATTRIBUTE_BYTES + name.len() + value.len();
            if bytes <= room && !self.attributes.contains_key(name) {
                room -= bytes;
                self.attributes.insert(name.clone(), value.clone());
            }
        }
        self
    }

    fn into_message(self, at: Timestamp) -> EventMessage {
        EventMessage {
            kind: self.kind.name().to_owned(),
            action: self.action.into_owned(),
            actor: EventActor { id: self.actor, attributes: self.attributes },
            scope: "local".to_owned(),
            time: at.seconds,
            time_nano: i64::try_from(at.as_nanos()).unwrap_or(i64::MAX),
        }
    }
}

/// What attributes take of memory.
fn bytes_of(attributes: &BTreeMap<String, String>) -> usize {
    attributes.iter().map(|(name, value)| ATTRIBUTE_BYTES + name.len() + value.len()).sum()
}

/// What a remembered event takes of memory.
fn weight(event: &EventMessage) -> usize {
    size_of::<EventMessage>()
        + event.action.len()
        + event.actor.id.len()
        + bytes_of(&event.actor.attributes)
}

fn shortened(mut text: String) -> String {
    if text.len() > WORD_BYTES {
        text.truncate(text.floor_char_boundary(WORD_BYTES));
        text.shrink_to_fit();
    }
    text
}

/// The events of one engine.
pub(crate) struct Events {
    memory: Mutex<Memory>,
}

struct Memory {
    /// Apart from the rest: a health check every second tells of three events each time, and what else happened would
    /// be forgotten within minutes.
    execs: Latest,
    others: Latest,
    listeners: broadcast::Sender<Arc<EventMessage>>,
    last: Timestamp,
    /// How many there were.
    told: u64,
}

impl Default for Events {
    fn default() -> Self {
        let (listeners, _) = broadcast::channel(BEHIND);
        let last = Timestamp { seconds: 0, nanos: 0 };
        let (execs, others) = (Latest::default(), Latest::default());
        Self { memory: Mutex::new(Memory { execs, others, listeners, last, told: 0 }) }
    }
}

/// The latest events of some sort, oldest first.
#[derive(Default)]
struct Latest {
    events: VecDeque<Arc<EventMessage>>,
    /// What they take together.
    bytes: usize,
}

impl Latest {
    fn push(&mut self, event: Arc<EventMessage>) {
        self.bytes += weight(&event);
        self.events.push_back(event);
        while self.events.len() > REMEMBERED || self.bytes > REMEMBERED_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= weight(&oldest);
        }
    }
}

impl Events {
    /// Tells everybody who listens, and remembers. Never waits; may be called from any thread.
    pub(crate) fn tell(&self, event: Event) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // Each later than the one before, whatever the clock does, so that `since` a moment loses and repeats none.
        let now = gantry_sys::clock::now();
        let at = if now > memory.last { now } else { next(memory.last) };
        memory.last = at;
        memory.told += 1;
        let message = Arc::new(event.into_message(at));
        let of_an_exec = message.action.starts_with("exec_");
        let latest = if of_an_exec { &mut memory.execs } else { &mut memory.others };
        latest.push(Arc::clone(&message));
        // An error means that nobody listens.
        drop(memory.listeners.send(message));
    }

    /// How many there were since the daemon's start.
    pub(crate) fn told(&self) -> u64 {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).told
    }

    /// How many listen now.
    pub(crate) fn listeners(&self) -> usize {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).listeners.receiver_count()
    }

    /// What is remembered, oldest first, and what comes from now on, without a gap in between.
    pub(crate) fn listen(
        &self,
    ) -> (Vec<Arc<EventMessage>>, broadcast::Receiver<Arc<EventMessage>>) {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latest: Vec<_> =
            memory.execs.events.iter().chain(&memory.others.events).cloned().collect();
        // Two runs that are sorted each: merged in one pass.
        latest.sort_by_key(|event| event.time_nano);
        (latest, memory.listeners.subscribe())
    }
}

fn next(moment: Timestamp) -> Timestamp {
    match moment.nanos {
        999_999_999 => Timestamp { seconds: moment.seconds + 1, nanos: 0 },
        nanos => Timestamp { nanos: nanos + 1, ..moment },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(count: usize) -> Events {
        let events = Events::default();
        for number in 0..count {
            events.tell(Event::new(Kind::Volume, "create", number.to_string()));
        }
        events
    }

    #[test]
    fn the_latest_are_remembered_each_at_a_moment_of_its_own() {
        let (latest, _) = told(REMEMBERED + 10).listen();
        assert_eq!(latest.len(), REMEMBERED);
        assert_eq!(latest[0].actor.id, "10");
        assert!(latest.is_sorted_by(|one, other| one.time_nano < other.time_nano));
    }

    #[test]
    fn health_checks_leave_the_memory_of_everything_else_alone() {
        let events = told(10);
        for _ in 0..REMEMBERED {
            events.tell(Event::new(Kind::Container, "exec_start: test", "0123"));
        }
        events.tell(Event::new(Kind::Volume, "destroy", "0"));
        let (latest, _) = events.listen();
        assert_eq!(latest.len(), 10 + REMEMBERED + 1);
        assert!(latest.is_sorted_by(|one, other| one.time_nano < other.time_nano));
        assert_eq!((latest[0].action.as_str(), latest[0].actor.id.as_str()), ("create", "0"));
        assert_eq!(latest.last().unwrap().action, "destroy");
    }

    #[test]
    fn what_is_remembered_has_a_limit_in_bytes() {
        let labels: BTreeMap<String, String> = (0..100)
            .map(|number| (format!("label{number:02}"), "x".repeat(1000)))
            .chain([("big".to_owned(), "x".repeat(4 << 20)), ("zone".to_owned(), "a".to_owned())])
            .collect();
        let command = format!("exec_create: {}", "é".repeat(WORD_BYTES));
        let events = Events::default();
        for _ in 0..REMEMBERED {
            let event = Event::new(Kind::Container, command.clone(), "0123").with("name", "web");
            events.tell(event.with_all(&labels).with("execID", "x".repeat(1 << 20)));
        }
        let (latest, _) = events.listen();
        let all: usize = latest.iter().map(|event| weight(event)).sum();
        assert!(all <= REMEMBERED_BYTES && all > REMEMBERED_BYTES / 2, "{all}");
        assert_eq!(events.memory.lock().unwrap().execs.bytes, all);
        let EventMessage { action, actor, .. } = latest[0].as_ref();
        assert!(action.len() <= WORD_BYTES && action.starts_with("exec_create: éé"));
        assert_eq!(actor.attributes["execID"].len(), WORD_BYTES);
        // What is small enough is there.
        assert_eq!(
            (actor.attributes["name"].as_str(), actor.attributes["zone"].as_str()),
            ("web", "a")
        );
        assert!(!actor.attributes.contains_key("big"));
        assert!(bytes_of(&actor.attributes) <= ATTRIBUTES_BYTES + 2 * WORD_BYTES);
    }

    #[test]
    fn nothing_is_lost_between_memory_and_listening() {
        let events = told(3);
        let (latest, mut listener) = events.listen();
        events.tell(Event::new(Kind::Image, "pull", "a:b").with("name", "a"));
        assert_eq!(latest.len(), 3);
        let heard = listener.try_recv().unwrap();
        assert_eq!((heard.kind.as_str(), heard.actor.attributes["name"].as_str()), ("image", "a"));
    }

    #[test]
    fn who_listens_too_slowly_is_told() {
        let events = Events::default();
        let (_, mut listener) = events.listen();
        for _ in 0..=BEHIND {
            events.tell(Event::new(Kind::Volume, "create", "x"));
        }
        assert!(matches!(listener.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
    }
}
