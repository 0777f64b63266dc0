//! What may happen to images and layers at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_types::Digest;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Layers go when no record needs them. Whoever relies on layers that no record of its own names yet keeps removals
/// out for so long; nothing else about images excludes anything.
///
/// Nobody holds any of this while waiting for a client.
#[derive(Default)]
pub(crate) struct Changes {
    /// Shared by creates, and by whoever pins layers: both are short.
    creates: Arc<RwLock<()>>,
    /// The layers of images on their way in, which may take as long as a registry is slow.
    pinned: Arc<Mutex<Pins>>,
}

#[derive(Default)]
struct Pins {
    next: u64,
    chains: HashMap<u64, Vec<Digest>>,
}

/// Keeps the layers of an image that is on its way in; see [`Changes::pin`].
pub(crate) struct Pin {
    number: u64,
    pinned: Arc<Mutex<Pins>>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        lock(&self.pinned).chains.remove(&self.number);
    }
}

fn lock(pins: &Mutex<Pins>) -> MutexGuard<'_, Pins> {
    pins.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Changes::creating`].
pub(crate) type LayersStay = OwnedRwLockReadGuard<()>;

/// See [`Changes::removing`].
pub(crate) struct LayersMayGo {
    _creates: OwnedRwLockWriteGuard<()>,
}

impl Changes {
    /// To be held from the choice of an image until a container's record names its layers.
    pub(crate) async fn creating(&self) -> LayersStay {
        Arc::clone(&self.creates).read_owned().await
    }

    /// [`Self::creating`] for who must not wait; nothing while somebody removes layers, or is about to.
    pub(crate) fn creating_at_once(&self) -> Option<LayersStay> {
        Arc::clone(&self.creates).try_read_owned().ok()
    }

    /// To be held from the first layer until the image's record. Removals go on meanwhile, and leave these layers.
    pub(crate) async fn pin(&self, chain: Vec<Digest>) -> Pin {
        let _no_removal = self.creating().await;
        let mut pins = lock(&self.pinned);
        let number = pins.next;
        pins.next += 1;
        pins.chains.insert(number, chain);
        Pin { number, pinned: Arc::clone(&self.pinned) }
    }

    /// What [`Self::pin`] keeps now, for a removal.
    pub(crate) fn pinned(&self) -> Vec<Vec<Digest>> {
        lock(&self.pinned).chains.values().cloned().collect()
    }

    /// To be held while layers are removed.
    pub(crate) async fn removing(&self) -> LayersMayGo {
        LayersMayGo { _creates: Arc::clone(&self.creates).write_owned().await }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What a future that can do so at once gives.
    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn removals_are_alone() {
        let changes = Changes::default();
        let create = now(changes.creating());
        assert!(create.is_some());
        assert!(now(changes.creating()).is_some());
        assert!(now(changes.removing()).is_none());
        drop(create);
        let removal = now(changes.removing());
        assert!(removal.is_some());
        assert!(now(changes.creating()).is_none());
    }

    #[test]
    fn a_pin_lets_removals_pass_and_names_its_layers() {
        let changes = Changes::default();
        let chain = vec![Digest::sha256([1; 32])];
        let removal = now(changes.removing());
        assert!(now(changes.pin(chain.clone())).is_none(), "a removal may be taking these layers");
        drop(removal);
        let pin = now(changes.pin(chain.clone()));
        assert!(pin.is_some() && now(changes.removing()).is_some());
        assert_eq!(changes.pinned(), [chain]);
        drop(pin);
        assert!(changes.pinned().is_empty());
    }

    /// An engine that runs nothing, and a request for a container of an image that it has.
    async fn engine(
        dir: &tempfile::TempDir,
    ) -> (crate::Engine, gantry_api::container::CreateRequest) {
        let settings = crate::Settings {
            plugins: gantry_plugins::Config::default(),
            data_root: dir.path().join("data"),
            exec_root: dir.path().join("exec"),
            shim: "/nowhere/gantry-shim".into(),
            init: "/nowhere/gantry-init".into(),
            cgroup_driver: crate::CgroupDriver::Cgroupfs,
            cgroup_parent: "/gantry-test".to_owned(),
            selinux: false,
            live: crate::LiveSettings::default(),
            logs: crate::LogDefaults::default(),
            layer_format: None,
            layer_archives: None,
            default_bridge: false,
            networks: crate::NetworkSettings::default(),
            names: crate::NameSettings::default(),
            signature_policy: None,
            embedded_image: &[],
            fail_at: None,
        };
        let engine = crate::Engine::open(settings).await.unwrap();
        let archive = std::io::Cursor::new(vec![0; 10240]);
        let image = crate::image::import(&engine, archive, crate::image::ImportRequest::default())
            .await
            .unwrap();
        let request = serde_json::json!({
            "Image": image, "Cmd": ["x"], "HostConfig": {"NetworkMode": "none"},
        });
        (engine, serde_json::from_value(request).unwrap())
    }

    async fn create(
        engine: &crate::Engine,
        request: &gantry_api::container::CreateRequest,
    ) -> crate::Result<gantry_api::container::CreateResponse> {
        let query = crate::container::CreateQuery::default();
        crate::container::create(engine, query, request.clone()).await
    }

    #[test]
    fn creates_that_wait_leave_a_removal_the_threads_that_it_needs() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(2).build().unwrap();
        let dir = tempfile::TempDir::new().unwrap();
        runtime.block_on(async {
            let (engine, request) = engine(&dir).await;
            let removal = engine.image_changes.removing().await;
            let creates =
                async { tokio::join!(create(&engine, &request), create(&engine, &request)) };
            let remove = async {
                for _ in 0..1000 {
                    crate::blocking::block(|| ()).await;
                }
                drop(removal);
            };
            let all = Box::pin(async { tokio::join!(creates, remove) });
            let patience = std::time::Duration::from_secs(30);
            let ((one, other), ()) = tokio::time::timeout(patience, all).await.unwrap();
            assert_ne!(one.unwrap().id, other.unwrap().id);
        });
    }

    #[tokio::test]
    async fn a_create_waits_for_a_removal() {
        let dir = tempfile::TempDir::new().unwrap();
        let (engine, request) = engine(&dir).await;
        let removal = engine.image_changes.removing().await;
        let create = create(&engine, &request);
        let listen = async {
            // Far longer than an unguarded create takes.
            for _ in 0..1000 {
                crate::blocking::block(|| ()).await;
                assert!(engine.containers.snapshots().is_empty());
            }
            drop(removal);
        };
        let (created, ()) = tokio::join!(create, listen);
        assert!(engine.container(&created.unwrap().id).is_ok());
    }
}
