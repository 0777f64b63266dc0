//! What can go wrong with writing an image, or with one that was written.

use std::io;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of writing or examining an image. Paths are not known here: the caller adds them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image's file failed.
    #[error("{action} the erofs image: {source}")]
    Image {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Something that the format has no room for.
    #[error("erofs cannot hold what {fault}")]
    Unfit {
        /// What is too large.
        fault: &'static str,
    },
    /// An image is not what it was when it was written.
    #[error("the erofs image {fault}")]
    Damaged {
        /// What is wrong with it.
        fault: &'static str,
    },
    /// More of something than an image may have.
    #[error("an erofs image cannot have more than {limit} {what}")]
    Limit {
        /// The allowed number.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
}

impl Error {
    pub(crate) fn image(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Image { action, source }
    }
}
