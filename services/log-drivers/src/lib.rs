//! Where containers' output can be sent beside its log on the disk: syslog, fluentd, GELF, journald, and plugins. Options are read
//! and checked here, messages are put into each protocol's form, and connections are made. When to send, what to do
//! when it fails and how far it went are the business of whoever calls.
//!
//! ```text
//! let remote = Remote::parse("syslog", &options)?;          // an error names the option
//! let mut delivery = remote.connect(&origin)?;               // a connection where the protocol has one
//! delivery.deliver(&[message, …])?                           // blocks, for a limited time
//! ```

mod address;
mod delivery;
mod error;
mod fluentd;
mod gelf;
mod journald;
mod message;
mod msgpack;
mod options;
mod plugin;
mod remote;
mod stream;
mod syslog;
mod tls;

pub use delivery::{Delivery, Failure};
pub use error::Error;
pub use message::{Message, Origin, Partial};
pub use plugin::{PluginEntries, decode_entry};
pub use remote::{NAMES, NOT_THERE, Remote, Retries};
