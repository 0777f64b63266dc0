//! The kernel's id of this boot: tells records of the running system from those of an earlier one.

use std::{fs, io};

/// Where the kernel tells it (`random(4)`).
pub const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// The id as 36 characters, for example `0b9a…-…`.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string(PATH)?.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_has_the_shape_of_a_uuid_and_stays() {
        let id = super::boot_id().unwrap();
        assert_eq!((id.len(), id.matches('-').count()), (36, 4));
        assert_eq!(id, super::boot_id().unwrap());
    }
}
