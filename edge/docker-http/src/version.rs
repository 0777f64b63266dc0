//! Versions of the API: the ones we speak, and the prefix of a path that asks for one.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// One version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u32,
    minor: u32,
}

impl ApiVersion {
    /// The newest that is spoken.
    pub const NEWEST: Self = Self::one(55);
    /// The oldest one.
    pub const OLDEST: Self = Self::one(40);

    /// Version `1.minor`.
    pub(crate) const fn one(minor: u32) -> Self {
        Self { major: 1, minor }
    }

    /// Splits `/v1.NN/rest` into the version and `/rest`; any other path asks for none.
    pub(crate) fn split(path: &str) -> (Option<Self>, &str) {
        let prefixed = || {
            let (version, rest) = path.strip_prefix("/v")?.split_once('/')?;
            let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
            let version = Self { major: number(major)?, minor: number(minor)? };
            Some((Some(version), &path[path.len() - rest.len() - 1..]))
        };
        prefixed().unwrap_or((None, path))
    }
}

/// The versions that one server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    oldest: ApiVersion,
    newest: ApiVersion,
}

impl Default for Versions {
    fn default() -> Self {
        Self { oldest: ApiVersion::OLDEST, newest: ApiVersion::NEWEST }
    }
}

impl Versions {
    /// From `oldest` to `newest`, as far as they are known at all; each side that is not given is as far as it goes.
    ///
    /// # Errors
    /// [`Error::Versions`] when there is none left, or one of them is not known.
    pub fn new(oldest: Option<ApiVersion>, newest: Option<ApiVersion>) -> Result<Self, Error> {
        let all = Self::default();
        let (oldest, newest) = (oldest.unwrap_or(all.oldest), newest.unwrap_or(all.newest));
        if all.oldest <= oldest && oldest <= newest && newest <= all.newest {
            return Ok(Self { oldest, newest });
        }
        Err(Error::Versions { oldest, newest })
    }

    /// What a path without a prefix means.
    pub(crate) fn newest(self) -> ApiVersion {
        self.newest
    }

    /// The oldest version that is answered.
    pub(crate) fn oldest(self) -> ApiVersion {
        self.oldest
    }

    /// Fails on a version outside of what is spoken, in Docker's words.
    pub(crate) fn check(self, asked: ApiVersion) -> Result<(), Error> {
        if asked > self.newest {
            return Err(Error::TooNew { asked, newest: self.newest });
        }
        if asked < self.oldest {
            return Err(Error::TooOld { asked, oldest: self.oldest });
        }
        Ok(())
    }
}

impl FromStr for ApiVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let parse = || {
            let (major, minor) = text.split_once('.')?;
            Some(Self { major: number(major)?, minor: number(minor)? })
        };
        parse().ok_or_else(|| InvalidVersion(text.chars().take(20).collect()))
    }
}

/// The text is not `major.minor`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid API version {0:?}: it takes the form 1.50")]
pub struct InvalidVersion(String);

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
        check("/v1.41/containers/json", Some(ApiVersion::one(41)), "/containers/json");
        check("/containers/json", None, "/containers/json");
        check("/v1/info", Some(ApiVersion::one(0)), "/info");
        check("/version", None, "/version");
        check("/volumes/v1", None, "/volumes/v1");
        check("/v1.x/info", None, "/v1.x/info");
        check("/v1.+5/info", None, "/v1.+5/info");
        check("/v1.50", None, "/v1.50");
    }

    #[test]
    fn a_server_may_speak_fewer_versions() {
        let version = |text: &str| Some(text.parse::<ApiVersion>().unwrap());
        let some = Versions::new(version("1.44"), version("1.52")).unwrap();
        assert!(some.check(ApiVersion::one(44)).is_ok() && some.check(ApiVersion::one(52)).is_ok());
        assert!(
            some.check(ApiVersion::one(43)).is_err() && some.check(ApiVersion::one(53)).is_err()
        );
        assert_eq!(Versions::new(None, None).unwrap(), Versions::default());
        for (oldest, newest) in [("1.39", "1.50"), ("1.50", "1.99"), ("1.50", "1.49")] {
            assert!(Versions::new(version(oldest), version(newest)).is_err(), "{oldest} {newest}");
        }
        for text in ["", "1", "1.", "a.b", "1.50.1", "1.+5"] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_in_dockers_words() {
        let all = Versions::default();
        assert!(all.check(ApiVersion::one(40)).is_ok() && all.check(ApiVersion::one(55)).is_ok());
        assert_eq!(
            all.check(ApiVersion::one(99)).unwrap_err().to_string(),
            "client version 1.99 is too new. Maximum supported API version is 1.55"
        );
        assert_eq!(
            all.check(ApiVersion::one(12)).unwrap_err().to_string(),
            "client version 1.12 is too old. Minimum supported API version is 1.40, please upgrade your client to a \
             newer version"
        );
    }
}
