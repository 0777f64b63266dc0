//! What may happen to images and layers at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Layers go when no record needs them. Whoever relies on layers that no record of its own names yet keeps removals
/// out for so long; nothing else about images excludes anything.
///
/// Nobody holds any of this while waiting for a client.
#[derive(Default)]
pub(crate) struct Changes {
    /// Shared by unpacks, which take as long as an image is large.
    unpacks: Arc<RwLock<()>>,
    /// Shared by creates, which are short. Whoever takes both takes this one last.
    creates: Arc<RwLock<()>>,
}

/// See [`Changes::creating`] and [`Changes::unpacking`].
pub(crate) type LayersStay = OwnedRwLockReadGuard<()>;

/// See [`Changes::removing`].
pub(crate) struct LayersMayGo {
    _unpacks: OwnedRwLockWriteGuard<()>,
    _creates: OwnedRwLockWriteGuard<()>,
}

impl Changes {
    /// To be held from the choice of an image until a container's record names its layers.
    pub(crate) async fn creating(&self) -> LayersStay {
        Arc::clone(&self.creates).read_owned().await
    }

    /// To be held from the first layer until the image's record.
    pub(super) async fn unpacking(&self) -> LayersStay {
        Arc::clone(&self.unpacks).read_owned().await
    }

    /// To be held while layers are removed. The wait for a long unpack keeps nobody from making containers.
    pub(super) async fn removing(&self) -> LayersMayGo {
        let unpacks = Arc::clone(&self.unpacks).write_owned().await;
        let creates = Arc::clone(&self.creates).write_owned().await;
        LayersMayGo { _unpacks: unpacks, _creates: creates }
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
        let (create, unpack) = (now(changes.creating()), now(changes.unpacking()));
        assert!(create.is_some() && unpack.is_some());
        assert!(now(changes.creating()).is_some() && now(changes.unpacking()).is_some());
        assert!(now(changes.removing()).is_none());
        drop(unpack);
        assert!(now(changes.removing()).is_none());
        drop(create);
        let removal = now(changes.removing());
        assert!(removal.is_some());
        assert!(now(changes.creating()).is_none() && now(changes.unpacking()).is_none());
    }

    #[test]
    fn a_removal_that_waits_for_an_unpack_lets_creates_pass() {
        let changes = Changes::default();
        let unpack = now(changes.unpacking());
        let mut removal = pin!(changes.removing());
        let mut poll = || removal.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        assert!(now(changes.creating()).is_some());
        drop(unpack);
        assert!(poll().is_ready());
    }

    #[tokio::test]
    async fn a_create_waits_for_a_removal() {
        let dir = tempfile::TempDir::new().unwrap();
        let settings = crate::Settings {
            data_root: dir.path().join("data"),
            exec_root: dir.path().join("exec"),
            shim: "/nowhere/gantry-shim".into(),
            init: "/nowhere/gantry-init".into(),
            cgroup_parent: "/gantry-test".to_owned(),
            debug: false,
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
        let request = serde_json::from_value(request).unwrap();
        let removal = engine.image_changes.removing().await;
        let create =
            crate::container::create(&engine, crate::container::CreateQuery::default(), request);
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
