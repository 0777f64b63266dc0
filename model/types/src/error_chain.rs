//! One sentence out of an error and its causes.

use std::error::Error;

/// The error's text, then those of its causes, each after a colon: `cannot start container: x: mount overlay: no space`.
/// A cause that the text before it already ends with is not said twice.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("open the book")]
        Silent { source: io::Error },
        #[error("open the book: {source}")]
        Talking { source: io::Error },
    }

    #[test]
    fn says_every_cause_once() {
        let torn = || io::Error::other("page torn");
        let cases = [Outer::Silent { source: torn() }, Outer::Talking { source: torn() }];
        for error in cases {
            assert_eq!(error_chain(&error), "open the book: page torn");
        }
    }
}
