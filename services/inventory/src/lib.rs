//! Which packages a root file system has: by the databases of dpkg, apk and rpm, by what Python's, Node's and Rust's package managers
//! leave beside what they install, and by what programs say of themselves. Nothing of it is executed, and nothing of it is trusted:
//! whoever made the files may have written anything.
//!
//! ```text
//! let inventory = gantry_inventory::take(root.as_fd(), &|| Ok(()))?;
//! let document = spdx::document(&inventory, &subject, created);
//! ```

mod cargo;
mod error;
mod files;
mod node;
mod package;
mod python;
mod rpm;
pub mod spdx;
mod system;

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;

pub use error::Error;
pub use package::{Distribution, Ecosystem, Package};

use files::Files;

/// What every function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The most packages that are listed.
const MAX_PACKAGES: usize = 100_000;
/// The most bytes of all that is said of them.
const MAX_BYTES: usize = 64 << 20;

/// What is in a root file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The distribution that its system packages are of, where it says so.
    pub distribution: Option<Distribution>,
    /// The packages, each once, in order.
    pub packages: BTreeSet<Package>,
}

/// Lists the packages below `root`. `wanted` is asked from time to time, and ends it when it fails.
///
/// # Errors
/// A directory cannot be read, there is more than the limits allow, or `wanted` fails. A database that cannot be understood has
/// no packages.
pub fn take(root: BorrowedFd<'_>, wanted: &dyn Fn() -> Result<()>) -> Result<Inventory> {
    let files = Files::new(root);
    let mut found = Found::default();
    system::dpkg(&files, wanted, &mut found)?;
    system::apk(&files, &mut found)?;
    rpm::packages(&files, wanted, &mut found)?;
    files.walk(&mut |path, is_program| {
        wanted()?;
        let name = path.rsplit('/').next().unwrap_or(path);
        match name {
            "METADATA" | "PKG-INFO" => python::packages(&files, path, &mut found),
            "package.json" | "package-lock.json" => node::packages(&files, path, &mut found),
            "Cargo.lock" => cargo::of_lock(&files, path, &mut found),
            _ if is_program => cargo::of_program(&files, path, &mut found),
            _ => Ok(()),
        }
    })?;
    Ok(Inventory { distribution: system::distribution(&files)?, packages: found.packages })
}

/// The packages that were found so far.
#[derive(Debug, Default)]
struct Found {
    packages: BTreeSet<Package>,
    bytes: usize,
}

impl Found {
    /// Adds one; each file may tell of more than there may be.
    fn add(&mut self, package: Package) -> Result<()> {
        let bytes = package.bytes();
        if self.packages.insert(package) {
            self.bytes += bytes;
        }
        if self.packages.len() > MAX_PACKAGES {
            return Err(Error::Limit { what: "packages", limit: MAX_PACKAGES as u64 });
        }
        if self.bytes > MAX_BYTES {
            return Err(Error::Limit { what: "bytes of packages", limit: MAX_BYTES as u64 });
        }
        Ok(())
    }
}
