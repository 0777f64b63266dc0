//! Unlinking what was moved to the trash, behind whoever moved it: a large file takes its file system tens of
//! milliseconds. What a dead process left there is removed when the store is opened.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Error, Result};

/// The files that are to go, and the one thread that removes them while there are any. When it is dropped, that
/// ends with the file at hand.
#[derive(Debug, Default)]
pub(crate) struct Trash(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<PathBuf>,
    is_working: bool,
}

impl Trash {
    /// Removes a file soon, or at once where no thread can be had.
    pub(crate) fn remove(&self, file: PathBuf) -> Result<()> {
        let mut state = self.0.lock();
        if !state.is_working {
            let queue = Arc::clone(&self.0);
            let work = move || queue.work();
            if thread::Builder::new().name("images-trash".to_owned()).spawn(work).is_err() {
                drop(state);
                return fs::remove_file(&file).map_err(|source| Error::io("remove", &file, source));
            }
            state.is_working = true;
        }
        state.files.push(file);
        Ok(())
    }

    /// Waits until nothing is left to remove.
    pub(super) fn wait_until_empty(&self) {
        let mut state = self.0.lock();
        while state.is_working {
            state = self.0.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Trash {
    fn drop(&mut self) {
        self.0.lock().files.clear();
        self.wait_until_empty();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let mut state = self.lock();
            let Some(file) = state.files.pop() else {
                state.is_working = false;
                self.idle.notify_all();
                return;
            };
            drop(state);
            if let Err(error) = fs::remove_file(&file) {
                let path = file.display();
                tracing::warn!(%path, %error, "cannot remove; the next start tries again");
            }
        }
    }
}
