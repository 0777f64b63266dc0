//! config-linux.md, "Huge page limits".

use serde_json::json;

use super::limit;
use crate::case::{Section, must};
use crate::machine::Need;

pub(in crate::sections) fn section() -> Section {
    let cases = vec![
        limit(
            "limit",
            "A limit for a size of pages is set.",
            || json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 209_715_200}]}),
            Some(("hugetlb.2MB.limit_in_bytes", "209715200")),
            Some(("hugetlb.2MB.max", "209715200")),
        )
        .needs(Need::Controller("hugetlb")),
        limit(
            "reservations",
            "Reservations of pages are limited, too.",
            || json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 209_715_200}]}),
            Some(("hugetlb.2MB.rsvd.limit_in_bytes", "209715200")),
            Some(("hugetlb.2MB.rsvd.max", "209715200")),
        )
        .since(2)
        .needs(Need::Controller("hugetlb")),
        must("unknown-size", "A size that the machine lacks makes an error.", |stage| {
            let limits = json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 3_145_728}]});
            stage.set("/linux/resources", limits).refused();
        }),
    ];
    Section::new("config-linux.md", "Huge page limits", cases)
}
