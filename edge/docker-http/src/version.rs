//! Versions of the API: the ones we speak, and the prefix of a path that asks for one.

use std::fmt;

use crate::error::Error;

/// One version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u32,
    minor: u32,
}

impl ApiVersion {
    /// What a path without a prefix means.
    pub(crate) const NEWEST: Self = Self::one(50);
    pub(crate) const OLDEST: Self = Self::one(40);

    /// Version `1.minor`.
    pub(crate) const fn one(minor: u32) -> Self {
        Self { major: 1, minor }
    }

    /// Fails on a version outside of what we speak, in Docker's words.
    pub(crate) fn check(self) -> Result<(), Error> {
        if self > Self::NEWEST {
            return Err(Error::TooNew { asked: self, newest: Self::NEWEST });
        }
        if self < Self::OLDEST {
            return Err(Error::TooOld { asked: self, oldest: Self::OLDEST });
        }
        Ok(())
    }

    /// Splits `/v1.NN/rest` into the version and `/rest`; any other path asks for the newest.
    pub(crate) fn split(path: &str) -> (Self, &str) {
        let prefixed = || {
            let (version, rest) = path.strip_prefix("/v")?.split_once('/')?;
            let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
            let version = Self { major: number(major)?, minor: number(minor)? };
            Some((version, &path[path.len() - rest.len() - 1..]))
        };
        prefixed().unwrap_or((Self::NEWEST, path))
    }
}

/// Digits only: `str::parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_the_prefix_off() {
        let check = |path, version, rest| {
            assert_eq!(ApiVersion::split(path), (version, rest), "{path}");
        };
        check("/v1.41/containers/json", ApiVersion::one(41), "/containers/json");
        check("/containers/json", ApiVersion::NEWEST, "/containers/json");
        check("/v1/info", ApiVersion::one(0), "/info");
        check("/version", ApiVersion::NEWEST, "/version");
        check("/volumes/v1", ApiVersion::NEWEST, "/volumes/v1");
        check("/v1.x/info", ApiVersion::NEWEST, "/v1.x/info");
        check("/v1.+5/info", ApiVersion::NEWEST, "/v1.+5/info");
        check("/v1.50", ApiVersion::NEWEST, "/v1.50");
    }

    #[test]
    fn the_bounds_are_the_engines() {
        assert_eq!(ApiVersion::NEWEST.to_string(), gantry_engine::system::NEWEST_API_VERSION);
        assert_eq!(ApiVersion::OLDEST.to_string(), gantry_engine::system::MIN_API_VERSION);
    }

    #[test]
    fn refuses_in_dockers_words() {
        assert!(ApiVersion::one(40).check().is_ok() && ApiVersion::one(50).check().is_ok());
        assert_eq!(
            ApiVersion::one(99).check().unwrap_err().to_string(),
            "client version 1.99 is too new. Maximum supported API version is 1.50"
        );
        assert_eq!(
            ApiVersion::one(12).check().unwrap_err().to_string(),
            "client version 1.12 is too old. Minimum supported API version is 1.40, please upgrade your client to a \
             newer version"
        );
    }
}
