//! Undoing steps when a later one fails.

/// Steps to take back, last first, unless [`keep`](Rollback::keep) is called.
#[derive(Default)]
pub(crate) struct Rollback {
    steps: Vec<Box<dyn FnOnce()>>,
}

impl Rollback {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Registers what takes the step that was just done back.
    pub(crate) fn on_failure(&mut self, undo: impl FnOnce() + 'static) {
        self.steps.push(Box::new(undo));
    }

    /// All went well: nothing is taken back.
    pub(crate) fn keep(mut self) {
        self.steps.clear();
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        while let Some(undo) = self.steps.pop() {
            undo();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    fn check(keep: bool, expected: &[i32]) {
        let undone = Rc::new(RefCell::new(Vec::new()));
        let mut rollback = Rollback::new();
        for step in 1..=2 {
            let undone = Rc::clone(&undone);
            rollback.on_failure(move || undone.borrow_mut().push(step));
        }
        if keep {
            rollback.keep();
        } else {
            drop(rollback);
        }
        assert_eq!(*undone.borrow(), expected);
    }

    #[test]
    fn steps_are_undone_last_first_unless_kept() {
        check(false, &[2, 1]);
        check(true, &[]);
    }
}
