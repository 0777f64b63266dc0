//! The last answer to a question that people and their tools ask all the time, kept as bytes: as long as the engine gives
//! the same rows, it is the same for the same version.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::version::ApiVersion;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Answered<T>(Mutex<Option<Answer<T>>>);

#[derive(Debug)]
struct Answer<T> {
    rows: Arc<[T]>,
    version: ApiVersion,
    bytes: Bytes,
}

impl<T> Default for Answered<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Answered<T> {
    pub(crate) fn get(&self, rows: &Arc<[T]>, version: ApiVersion) -> Option<Bytes> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = known.as_ref()?;
        let is_same = Arc::ptr_eq(&answer.rows, rows) && answer.version == version;
        is_same.then(|| answer.bytes.clone())
    }

    pub(crate) fn put(&self, rows: Arc<[T]>, version: ApiVersion, bytes: Bytes) {
        let answer = Answer { rows, version, bytes };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}
