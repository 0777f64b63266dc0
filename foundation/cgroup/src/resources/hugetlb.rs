//! `hugepageLimits`.

use gantry_oci::runtime::HugepageLimit;

use super::checked_name;
use crate::error::Error;
use crate::hierarchy::Version;
use crate::setting::Setting;

pub(crate) fn settings(limits: &[HugepageLimit], version: Version) -> Result<Vec<Setting>, Error> {
    let setting = |limit: &HugepageLimit| {
        let size = checked_name("hugepageLimits.pageSize", &limit.page_size)?;
        let file = match version {
            Version::V1 => format!("hugetlb.{size}.limit_in_bytes"),
            Version::V2 => format!("hugetlb.{size}.max"),
        };
        Ok(Setting::new(format!("hugepageLimits.{size}"), file, limit.limit))
    };
    limits.iter().map(setting).collect()
}
