//! The setting `layer-archives`: whether archives stay that can be put together from their layers.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest quiet time, a week: who wants more wants all archives to stay.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum LayerArchives {
    /// All stay.
    Keep,
    /// They go when nothing has come in for so long; as it was written, too.
    GoAfter(Duration, String),
}

impl Default for LayerArchives {
    fn default() -> Self {
        Self::GoAfter(Duration::from_secs(30), "30s".to_owned())
    }
}

impl LayerArchives {
    /// The engine's word for it.
    pub(crate) fn quiet(&self) -> Option<Duration> {
        match self {
            Self::Keep => None,
            Self::GoAfter(quiet, _) => Some(*quiet),
        }
    }
}

impl FromStr for LayerArchives {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "keep" {
            return Ok(Self::Keep);
        }
        let nanos = Some(text)
            .filter(|text| !text.is_empty())
            .and_then(gantry_types::duration_nanos)
            .and_then(|nanos| u64::try_from(nanos).ok());
        match nanos.map(Duration::from_nanos).filter(|quiet| *quiet <= LONGEST) {
            Some(quiet) => Ok(Self::GoAfter(quiet, text.to_owned())),
            None => Err(format!(
                "{text:?} is neither \"keep\" nor a time of up to 168h, such as \"30s\""
            )),
        }
    }
}

impl TryFrom<String> for LayerArchives {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<LayerArchives> for String {
    fn from(setting: LayerArchives) -> Self {
        match setting {
            LayerArchives::Keep => "keep".to_owned(),
            LayerArchives::GoAfter(_, text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_time_or_keep() {
        let quiet = |text: &str| text.parse::<LayerArchives>().map(|setting| setting.quiet());
        assert_eq!(quiet("keep"), Ok(None));
        assert_eq!(quiet("1m30s"), Ok(Some(Duration::from_secs(90))));
        assert_eq!(quiet("0s"), Ok(Some(Duration::ZERO)));
        assert_eq!(quiet("168h"), Ok(Some(LONGEST)));
        for text in ["", "never", "30", "-1s", "169h"] {
            let error = quiet(text).unwrap_err();
            assert!(error.contains("neither \"keep\" nor a time"), "{error}");
        }
    }
}
