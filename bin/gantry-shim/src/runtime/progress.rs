//! What a runtime is asked for: there at once, or when a program has done its part.

use super::invocation::Invocation;
use crate::error::Error;

/// Something that may have to be waited for.
pub(crate) enum Progress<T> {
    Done(T),
    Running(Invocation, Finish<T>),
}

/// Makes the result of how a program's run went.
pub(crate) type Finish<T> = Box<dyn FnOnce(Result<(), Error>) -> Result<T, Error>>;

impl Progress<()> {
    pub(super) fn of(invocation: Invocation) -> Self {
        Self::Running(invocation, Box::new(|ended| ended))
    }
}

impl<T: 'static> Progress<T> {
    /// The same with a further step.
    pub(super) fn then<U>(
        self,
        step: impl FnOnce(Result<T, Error>) -> Result<U, Error> + 'static,
    ) -> Result<Progress<U>, Error> {
        Ok(match self {
            Self::Done(value) => Progress::Done(step(Ok(value))?),
            Self::Running(invocation, finish) => {
                Progress::Running(invocation, Box::new(move |ended| step(finish(ended))))
            }
        })
    }

    /// Waits for the result.
    pub(crate) fn wait(self) -> Result<T, Error> {
        match self {
            Self::Done(value) => Ok(value),
            Self::Running(mut invocation, finish) => {
                invocation.wait();
                finish(invocation.outcome())
            }
        }
    }
}
