//! Rust's packages: what a lock lists, and what programs say that were built with `cargo auditable`: a section `.dep-v0` of the
//! program, compressed JSON.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use flate2::read::ZlibDecoder;
use serde_json::Value;

use crate::files::Files;
use crate::package::{Ecosystem, Package};
use crate::{Found, Result};

/// The section's name.
const SECTION: &[u8] = b".dep-v0";
/// The most bytes of the section, compressed and not.
const MAX_SECTION: u64 = 8 << 20;
/// The most bytes of the names of all sections.
const MAX_NAMES: u64 = 1 << 20;
/// Bytes of the header of a program, and of the header of a section (64 bits).
const HEADER: usize = 64;
const SECTION_HEADER: usize = 64;

/// The packages of a lock; those of the workspace itself come from nowhere, and count as well.
pub(crate) fn of_lock(files: &Files<'_>, path: &str, found: &mut Found) -> Result<()> {
    let Some(text) = files.text(path)? else { return Ok(()) };
    for entry in text.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line =
                entry.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
            line.map(|value| value.trim().trim_matches('"')).unwrap_or_default()
        };
        let (name, version) = (field("name"), field("version"));
        if !name.is_empty() && !version.is_empty() {
            found.add(Package::new(Ecosystem::Rust, name, version, path))?;
        }
    }
    Ok(())
}

/// The packages that a program says it is made of.
pub(crate) fn of_program(files: &Files<'_>, path: &str, found: &mut Found) -> Result<()> {
    let Some(file) = files.open(path)? else { return Ok(()) };
    // Whoever wrote the file may have written anything: what makes no sense says nothing.
    let packages: Option<Vec<Package>> = section(&file).and_then(|bytes| {
        let mut plain = Vec::new();
        ZlibDecoder::new(&bytes[..]).take(MAX_SECTION).read_to_end(&mut plain).ok()?;
        let document: Value = serde_json::from_slice(&plain).ok()?;
        let packages = document["packages"].as_array()?.iter();
        let package = |package: &Value| {
            // What only the build needed is not in the program.
            let is_in = package["kind"].as_str() != Some("build");
            let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
            is_in.then(|| Package::new(Ecosystem::Rust, name, version, path))
        };
        Some(packages.filter_map(package).collect())
    });
    packages.into_iter().flatten().try_for_each(|package| found.add(package))
}

/// The section's content, of a program of 64 bits and little end first (elf(5)).
fn section(file: &File) -> Option<Vec<u8>> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0).ok()?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (start, count, names) =
        (number(&header, 40, 8)?, number(&header, 60, 2)?, number(&header, 62, 2)?);
    let at = |index: u64| -> Option<(u64, u64, u64)> {
        let mut bytes = [0; SECTION_HEADER];
        let place = start.checked_add(index.checked_mul(SECTION_HEADER as u64)?)?;
        file.read_exact_at(&mut bytes, place).ok()?;
        Some((number(&bytes, 0, 4)?, number(&bytes, 24, 8)?, number(&bytes, 32, 8)?))
    };
    let content = |place: u64, length: u64, limit: u64| {
        if length > limit {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, place).ok()?;
        Some(bytes)
    };
    let (_, place, length) = at(names)?;
    let names = content(place, length, MAX_NAMES)?;
    for index in 0..count {
        let (name, place, length) = at(index)?;
        let name = names.get(usize::try_from(name).ok()?..)?;
        if name.strip_prefix(SECTION).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == 0))
        {
            return content(place, length, MAX_SECTION);
        }
    }
    None
}

fn number(bytes: &[u8], place: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(place..place + length)?;
    Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}
