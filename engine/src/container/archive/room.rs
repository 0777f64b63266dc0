//! Who writes into a stopped container's files keeps it from starting meanwhile: two mounts of one writable layer would not
//! know of each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_types::ContainerId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The writable layers that somebody has mounted, or is about to.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<ContainerId, Arc<AsyncMutex<()>>>>);

impl Rooms {
    /// Waits until nobody else has the container's writable layer.
    pub(crate) async fn enter(&self, id: &ContainerId) -> OwnedMutexGuard<()> {
        let room = {
            let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.retain(|_, room| Arc::strong_count(room) > 1);
            Arc::clone(rooms.entry(id.clone()).or_default())
        };
        room.lock_owned().await
    }
}
