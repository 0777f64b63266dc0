//! Whether this machine executes programs for another one: the kernel does it for its own processor's relatives, and with an
//! emulator that somebody has told it of (`binfmt_misc`).

use std::fs;
use std::path::Path;

use gantry_oci::image::Platform;

use crate::error::Error;
use crate::{Result, image};

/// Where the kernel lists the formats that others execute.
const FORMATS: &str = "/proc/sys/fs/binfmt_misc";
/// A processor by OCI's name, and its programs: the class of the header (1 for 32 bits), the order of bytes (1 for the lowest
/// first), and the number of the machine (elf(5)).
const MACHINES: [(&str, u8, u8, u16); 13] = [
    ("386", 1, 1, 3),
    ("amd64", 2, 1, 62),
    ("arm", 1, 1, 40),
    ("arm64", 2, 1, 183),
    ("loong64", 2, 1, 258),
    ("mips", 1, 2, 8),
    ("mipsle", 1, 1, 8),
    ("mips64", 2, 2, 8),
    ("mips64le", 2, 1, 8),
    ("ppc64", 2, 2, 21),
    ("ppc64le", 2, 1, 21),
    ("riscv64", 2, 1, 243),
    ("s390x", 2, 2, 22),
];

/// Fails where commands for a platform cannot be executed.
pub(super) fn check(platform: &Platform) -> Result<()> {
    let host = image::host_platform();
    if platform.os != host.os {
        return Err(Error::invalid(format!(
            "a command for {platform} cannot be executed on {host}: nothing emulates another operating system"
        )));
    }
    if is_native(&host.architecture, &platform.architecture)
        || is_emulated(&platform.architecture, Path::new(FORMATS))
    {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a command for {platform} cannot be executed on {host}: tell the kernel of an emulator (binfmt_misc; Debian's packages qemu-user-static and binfmt-support do), or do this step on another platform (FROM --platform=$BUILDPLATFORM)"
    )))
}

fn is_native(host: &str, wanted: &str) -> bool {
    host == wanted || host == "amd64" && wanted == "386"
}

fn is_emulated(architecture: &str, formats: &Path) -> bool {
    let known = MACHINES.iter().find(|(name, ..)| *name == architecture);
    let Some(program) = known.map(|(_, class, order, machine)| header(*class, *order, *machine))
    else {
        return false;
    };
    fs::read_dir(formats)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| takes(&text, &program)))
}

/// The beginning of an executable program.
fn header(class: u8, order: u8, machine: u16) -> [u8; 20] {
    let number = |value: u16| if order == 1 { value.to_le_bytes() } else { value.to_be_bytes() };
    let mut header = [0; 20];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order, 1]);
    header[16..18].copy_from_slice(&number(2));
    header[18..].copy_from_slice(&number(machine));
    header
}

/// Whether a format, as the kernel shows it, is in use and has this program.
fn takes(format: &str, program: &[u8]) -> bool {
    let field = |name: &str| format.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if format.lines().next() != Some("enabled") {
        return false;
    }
    let Some(magic) = field("magic ").and_then(bytes_of) else { return false };
    let offset: usize = field("offset ").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mask = field("mask ").and_then(bytes_of).unwrap_or_else(|| vec![0xff; magic.len()]);
    let Some(own) = program.get(offset..offset.saturating_add(magic.len())) else { return false };
    own.iter().zip(&magic).zip(&mask).all(|((own, magic), mask)| own & mask == magic & mask)
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pair = |index: usize| u8::from_str_radix(hex.get(index..index + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `update-binfmts` tells the kernel of arm64.
    const ARM64: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn formats_tell_what_they_take() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("qemu-aarch64"), ARM64).unwrap();
        fs::write(folder.path().join("status"), "enabled\n").unwrap();
        assert!(is_emulated("arm64", folder.path()));
        for other in ["arm", "amd64", "riscv64", "ppc64le", "unheard-of"] {
            assert!(!is_emulated(other, folder.path()), "{other}");
        }
        fs::write(folder.path().join("qemu-aarch64"), ARM64.replace("enabled", "disabled"))
            .unwrap();
        assert!(!is_emulated("arm64", folder.path()));
        assert!(!is_emulated("arm64", Path::new("/nowhere")));
        assert!(is_native("amd64", "386") && !is_native("386", "amd64"));
    }
}
