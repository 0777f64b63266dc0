//! How many heaps the C library keeps for its allocator.

/// Lets glibc keep no more heaps than the machine has processors, where it would keep eight for each (mallopt(3),
/// `M_ARENA_MAX`): what threads that have ended leave free in one is of no use to others. It must come before the first thread. Other
/// C libraries have one heap.
pub fn one_for_each_processor() {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    limit(i32::try_from(count).unwrap_or(i32::MAX));
}

#[cfg(target_env = "gnu")]
fn limit(count: i32) {
    // SAFETY: a number is all that it takes; a value that it does not like changes nothing.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, count) };
}

#[cfg(not(target_env = "gnu"))]
fn limit(_: i32) {}
