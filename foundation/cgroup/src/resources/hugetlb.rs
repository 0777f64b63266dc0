//! `hugepageLimits`: of reservations where the kernel counts them (Linux 5.7), and of use.

use gantry_oci::runtime::HugepageLimit;

use super::checked_name;
use crate::error::Error;
use crate::hierarchy::Version;
use crate::setting::Setting;

pub(crate) fn settings(limits: &[HugepageLimit], version: Version) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    for limit in limits {
        let size = checked_name("hugepageLimits.pageSize", &limit.page_size)?;
        let name = format!("hugepageLimits.{size}");
        let file = match version {
            Version::V1 => "limit_in_bytes",
            Version::V2 => "max",
        };
        let reserved =
            Setting::new(name.clone(), format!("hugetlb.{size}.rsvd.{file}"), limit.limit);
        // Without that file there is the other one.
        settings.push(reserved.no_limit_if(true));
        settings.push(Setting::new(name, format!("hugetlb.{size}.{file}"), limit.limit));
    }
    Ok(settings)
}
