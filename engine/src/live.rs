//! What may change while the engine runs: a snapshot behind a `watch`, which is replaced and never changed.
//!
//! Whoever reads takes an `Arc` and lets the channel go at once, so that nothing is locked while anybody waits, and a
//! use case that began with one snapshot ends with it.

use std::sync::Arc;

use gantry_registry_client::Client;
use tokio::sync::watch;

use crate::settings::LiveSettings;

/// The live settings of one engine, and what is made of them.
pub(crate) struct Live(watch::Sender<Snapshot>);

#[derive(Clone)]
struct Snapshot {
    settings: Arc<LiveSettings>,
    registries: Arc<Client>,
}

impl Live {
    /// Begins with these.
    pub(crate) fn new(settings: LiveSettings) -> Self {
        let registries = Arc::new(Client::new(settings.registries.clone()));
        Self(watch::Sender::new(Snapshot { settings: Arc::new(settings), registries }))
    }

    /// As they are now.
    pub(crate) fn settings(&self) -> Arc<LiveSettings> {
        Arc::clone(&self.0.borrow().settings)
    }

    /// The way to registries as the settings are now.
    pub(crate) fn registries(&self) -> Arc<Client> {
        Arc::clone(&self.0.borrow().registries)
    }

    /// Lets these be the settings from now on.
    pub(crate) fn replace(&self, settings: LiveSettings) {
        self.0.send_modify(|snapshot| {
            // A client knows tokens and connections, which are worth keeping.
            if settings.registries != snapshot.settings.registries {
                snapshot.registries = Arc::new(Client::new(settings.registries.clone()));
            }
            snapshot.settings = Arc::new(settings);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_began_with_a_snapshot_ends_with_it() {
        let live = Live::new(LiveSettings::default());
        let (before, client) = (live.settings(), live.registries());
        live.replace(LiveSettings { debug: true, ..LiveSettings::default() });
        assert!(!before.debug && live.settings().debug);
        assert!(Arc::ptr_eq(&client, &live.registries()), "nothing about registries has changed");
        let mut other = LiveSettings::default();
        other.registries.mirrors.push("https://mirror.example".to_owned());
        live.replace(other);
        assert!(!Arc::ptr_eq(&client, &live.registries()));
        assert!(!live.settings().debug);
    }
}
