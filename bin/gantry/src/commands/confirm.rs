//! Asking before something goes for good.

use std::io::BufRead;

use crate::error::Error;
use crate::output;

/// Asks; whether the answer is yes. No answer is no.
pub(super) fn confirm(warning: &str) -> Result<bool, Error> {
    ask(&format!("{warning}\nAre you sure you want to continue?"))
}

/// Asks this; whether the answer is yes. No answer is no.
pub(super) fn ask(question: &str) -> Result<bool, Error> {
    output::print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|source| Error::System { action: "read the answer", source })?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
