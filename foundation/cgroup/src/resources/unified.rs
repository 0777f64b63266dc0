//! `unified`: files of v2 by name, for limits that the specification has no word for.

use std::collections::BTreeMap;

use super::{bad_value, checked_name};
use crate::error::Error;
use crate::setting::Setting;

pub(crate) fn settings(files: &BTreeMap<String, String>) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    for (file, content) in files {
        let file = checked_name("unified", file)?;
        if !file.contains('.') {
            return Err(bad_value("unified", file, "names no controller"));
        }
        // The kernel takes one line with each write.
        for line in content.lines() {
            settings.push(Setting::new(format!("unified.{file}"), file.to_owned(), line));
        }
    }
    Ok(settings)
}
