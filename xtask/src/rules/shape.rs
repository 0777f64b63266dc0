//! Rules about the shape of files and functions.

use crate::Findings;
use crate::checkout::Checkout;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

pub(crate) fn file_length(checkout: &Checkout, findings: &mut Findings) {
    for source in &checkout.sources {
        let is_table = source.path.components().any(|part| part.as_os_str() == "generated");
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX && !is_table {
            findings.add(
                &source.path,
                None,
                format!("{lines} lines, at most {FILE_LINES_MAX}: split it by subject"),
            );
        }
    }
}

pub(crate) fn function_length(checkout: &Checkout, findings: &mut Findings) {
    for source in &checkout.sources {
        for function in source.functions() {
            if function.code_lines > FUNCTION_LINES_MAX {
                findings.add(
                    &source.path,
                    function.line,
                    format!(
                        "`fn {}` has {} lines of code, at most {FUNCTION_LINES_MAX}: give its steps names",
                        function.name, function.code_lines
                    ),
                );
            }
        }
    }
}

pub(crate) fn file_head(checkout: &Checkout, findings: &mut Findings) {
    for source in &checkout.sources {
        let first = source.text.lines().find(|line| !line.starts_with("#!/"));
        let head = first.and_then(|line| line.strip_prefix("//!")).unwrap_or_default();
        if head.trim().is_empty() {
            findings.add(
                &source.path,
                1,
                "the file does not begin with a `//!` head that says what lives here",
            );
        }
    }
}
