//! Where programs are looked for that are named without a path, when nobody says otherwise.

/// The usual places of programs, as a `PATH`. Nothing that Gantry starts depends on its caller's.
pub const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
