//! Undo for use cases that take several steps: each step registers its own undo, success keeps everything.

use crate::blocking::block;

type Undo = Box<dyn FnOnce() + Send>;

/// The undos of the steps taken so far, run newest first unless [`Rollback::keep`] is called.
///
/// Undos are synchronous and log their own failures; nobody is left to hear of them.
#[derive(Default)]
pub(crate) struct Rollback {
    undos: Vec<Undo>,
}

impl Rollback {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Registers the undo of a step that was just taken.
    pub(crate) fn on_failure(&mut self, undo: impl FnOnce() + Send + 'static) {
        self.undos.push(Box::new(undo));
    }

    /// Takes over the steps of another, as if they were taken now.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.undos.append(&mut later.undos);
    }

    /// Everything went well: the steps stay.
    pub(crate) fn keep(mut self) {
        self.undos.clear();
    }

    /// Undoes now, off the async threads, and returns when everything is undone.
    pub(crate) async fn undo(mut self) {
        let undos = std::mem::take(&mut self.undos);
        block(move || run(undos)).await;
    }
}

fn run(undos: Vec<Undo>) {
    for undo in undos.into_iter().rev() {
        undo();
    }
}

impl Drop for Rollback {
    // A future that is dropped half way must not leave its steps behind either.
    fn drop(&mut self) {
        run(std::mem::take(&mut self.undos));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn recorded(finish: impl FnOnce(Rollback)) -> Vec<u8> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut rollback = Rollback::new();
        for step in 1..=3 {
            let seen = Arc::clone(&seen);
            rollback.on_failure(move || seen.lock().unwrap().push(step));
        }
        finish(rollback);
        Arc::try_unwrap(seen).unwrap().into_inner().unwrap()
    }

    #[test]
    fn undoes_newest_first_when_dropped() {
        assert_eq!(recorded(drop), [3, 2, 1]);
    }

    #[test]
    fn what_was_taken_over_is_undone_first() {
        let undone = recorded(|rollback| {
            let mut all = Rollback::new();
            let first = Arc::new(Mutex::new(false));
            let seen = Arc::clone(&first);
            all.on_failure(move || *seen.lock().unwrap() = true);
            all.append(rollback);
            assert!(!*first.lock().unwrap(), "nothing is undone yet");
            drop(all);
            assert!(*first.lock().unwrap());
        });
        assert_eq!(undone, [3, 2, 1]);
    }

    #[test]
    fn keeps_after_success() {
        assert_eq!(recorded(Rollback::keep), [0_u8; 0]);
    }
}
