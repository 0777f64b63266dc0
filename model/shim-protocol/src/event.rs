//! What a shim publishes to containerd: the envelope, the topics and the events. Who sends them, and
//! when, is the shim's.
//!
//! Follows `api/services/ttrpc/events/v1/events.proto` and `api/events/task.proto` of containerd.

use crate::rpc::Any;
use crate::task::Mount;
use crate::wire::{Message, messages};
use gantry_types::Timestamp;

/// The service that takes events, on containerd's ttrpc address.
pub const EVENTS_SERVICE: &str = "containerd.services.events.ttrpc.v1.Events";
/// Its method.
pub const FORWARD_METHOD: &str = "Forward";

messages! {
    pub struct ForwardRequest {
        1 => envelope: Option<Envelope>,
    }

    /// An event with its time, namespace and topic.
    pub struct Envelope {
        1 => timestamp: Option<Timestamp>,
        2 => namespace: String,
        3 => topic: String,
        4 => event: Option<Any>,
    }

    pub struct TaskCreate {
        1 => container_id: String,
        2 => bundle: String,
        3 => rootfs: Vec<Mount>,
        4 => io: Option<TaskIo>,
        5 => checkpoint: String,
        6 => pid: u32,
    }

    pub struct TaskIo {
        1 => stdin: String,
        2 => stdout: String,
        3 => stderr: String,
        4 => terminal: bool,
    }

    pub struct TaskStart {
        1 => container_id: String,
        2 => pid: u32,
    }

    pub struct TaskDelete {
        1 => container_id: String,
        2 => pid: u32,
        3 => exit_status: u32,
        4 => exited_at: Option<Timestamp>,
        /// An exec's id; empty for the container's first process.
        5 => id: String,
    }

    pub struct TaskExit {
        1 => container_id: String,
        /// The exec's id, or the container's for its first process.
        2 => id: String,
        3 => pid: u32,
        4 => exit_status: u32,
        5 => exited_at: Option<Timestamp>,
    }

    pub struct TaskExecAdded {
        1 => container_id: String,
        2 => exec_id: String,
    }

    pub struct TaskExecStarted {
        1 => container_id: String,
        2 => exec_id: String,
        3 => pid: u32,
    }

    pub struct TaskPaused {
        1 => container_id: String,
    }

    pub struct TaskCheckpointed {
        1 => container_id: String,
        /// The directory of images.
        2 => checkpoint: String,
    }

    pub struct TaskResumed {
        1 => container_id: String,
    }

    pub struct TaskOom {
        1 => container_id: String,
    }
}

/// An event that can be published: its topic and its name.
pub trait Event: Message {
    /// Under which topic subscribers find it.
    const TOPIC: &'static str;
    /// The message's full name, which is its type URL.
    const TYPE_URL: &'static str;

    /// The event as it goes into an [`Envelope`].
    fn to_any(&self) -> Any {
        Any { type_url: Self::TYPE_URL.to_owned(), value: self.encode() }
    }
}

macro_rules! events {
    ($( $name:ident $topic:literal )*) => {$(
        impl Event for $name {
            const TOPIC: &'static str = concat!("/tasks/", $topic);
            const TYPE_URL: &'static str = concat!("containerd.events.", stringify!($name));
        }
    )*};
}

events! {
    TaskCreate "create"
    TaskStart "start"
    TaskDelete "delete"
    TaskExit "exit"
    TaskExecAdded "exec-added"
    TaskExecStarted "exec-started"
    TaskPaused "paused"
    TaskResumed "resumed"
    TaskCheckpointed "checkpointed"
}

impl Event for TaskOom {
    const TOPIC: &'static str = "/tasks/oom";
    const TYPE_URL: &'static str = "containerd.events.TaskOOM";
}
