//! What sort of failure an error is. The HTTP statuses and exit codes that follow from it live at the edges.

/// The sort of a failure, from the caller's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What the caller sent is malformed or contradicts itself.
    InvalidParameter,
    /// The caller has to identify itself.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// What the caller named does not exist.
    NotFound,
    /// It exists already, or its state does not allow this.
    Conflict,
    /// It is in the wanted state already.
    NotModified,
    /// A part that is needed cannot be reached now; trying again may help.
    Unavailable,
    /// The request is understood, but the capability is not there yet.
    NotImplemented,
    /// What the caller sent is over a documented limit.
    TooLarge,
    /// The disk or a quota is full.
    StorageFull,
    /// Anything else: a failure of Gantry or of the system below it.
    Internal,
}
