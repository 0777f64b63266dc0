//! The settings once more, while the daemon runs. All of them are taken or none.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantry_docker_http::tls::Acceptor;
use gantry_engine::{Engine, system};
use gantry_types::error_chain;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::logging::Level;
use crate::notify::Notify;
use crate::settings::Settings;
use crate::told::Told;

/// What takes effect at once; the rest waits for the next start.
const AT_ONCE: [&str; 32] = [
    "allow-nondistributable-artifacts",
    "authorization-plugins",
    "cdi-spec-dirs",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "debug",
    "default-cgroupns-mode",
    "default-ipc-mode",
    "default-runtime",
    "default-shm-size",
    "default-ulimits",
    "experimental",
    "features",
    "http-proxy",
    "https-proxy",
    "init",
    "insecure-registries",
    "labels",
    "live-restore",
    "log-level",
    "max-concurrent-downloads",
    "max-concurrent-uploads",
    "max-download-attempts",
    "no-new-privileges",
    "no-proxy",
    "registry-mirrors",
    "runtimes",
    "seccomp-profile",
    "shutdown-timeout",
    "tlscacert",
    "tlscert",
    "tlskey",
];

/// What a reload reaches.
pub(crate) struct Reloader {
    told: Told,
    /// By key, as they are now.
    keys: Map<String, Value>,
    level: Level,
    acceptor: Option<Arc<Acceptor>>,
}

impl Reloader {
    /// `keys` are those of the start.
    pub(crate) fn new(
        told: Told,
        keys: Map<String, Value>,
        level: Level,
        acceptor: Option<Arc<Acceptor>>,
    ) -> Self {
        Self { told, keys, level, acceptor }
    }

    /// Reads the file again. A mistake in it is told in the log, and everything stays as it is.
    pub(crate) async fn reload(&mut self, engine: &Engine, notify: &Notify) {
        let path = self.told.config_file().to_owned();
        tracing::info!(config_file = %path.display(), "asked to read the settings again");
        notify.reloading();
        match self.take(engine).await {
            Ok(()) => {
                tracing::info!("the settings have been read again");
                notify.ready("serving");
            }
            Err(error) => {
                let error = error_chain(&error);
                tracing::error!(error, "cannot read the settings again: they stay as they were");
                notify.ready("serving, with the settings as they were before the last reload");
            }
        }
    }

    async fn take(&mut self, engine: &Engine) -> Result<(), Error> {
        let given = self.told.given()?;
        let keys = Told::keys(&given);
        let settings = Settings::resolve(given)?;
        // What can fail comes before what cannot.
        let certificates = self.acceptor.as_ref().map(|acceptor| match &settings.tls {
            crate::tls::Tls::On(files) => acceptor.read(files.clone()),
            // Whether there is TLS at all is decided at the start.
            _ => acceptor.read_again(),
        });
        let certificates = certificates.transpose().map_err(|source| Error::Tls { source })?;
        system::reload(engine, settings.engine.live)
            .await
            .map_err(|source| Error::Reload { source })?;
        if let (Some(acceptor), Some(certificates)) = (&self.acceptor, certificates) {
            acceptor.replace(certificates);
        }
        self.level.set(settings.log_level);
        for warning in settings.warnings {
            tracing::warn!("{warning}");
        }
        let later = later(&self.keys, &keys);
        if !later.is_empty() {
            tracing::warn!(keys = later.join(", "), "these take effect at the next start");
        }
        self.keys = keys;
        Ok(())
    }
}

/// What differs and takes no effect now.
fn later(before: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names
        .into_iter()
        .filter(|name| !AT_ONCE.contains(&name.as_str()) && before.get(*name) != now.get(*name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::told::tests::given;

    #[test]
    fn what_waits_for_the_next_start_is_told() {
        let keys = |file: &str| Told::keys(&given(&[], file).unwrap());
        let before = keys(r#"{"debug":true,"mtu":1400,"bip":"10.9.0.1/16"}"#);
        let now = keys(r#"{"debug":false,"mtu":1500,"labels":["a"],"hosts":["fd://"]}"#);
        assert_eq!(later(&before, &now), ["bip", "hosts", "mtu"]);
        assert_eq!(later(&now, &now), [""; 0]);
    }

    #[test]
    fn only_keys_that_there_are_take_effect_at_once() {
        let all = Told::keys(&given(&[], "{}").unwrap());
        assert!(all.is_empty());
        let known = crate::told::all_keys();
        for key in AT_ONCE {
            assert!(known.contains_key(key), "{key}");
        }
    }
}
