//! What a finished command left: exit code and output, with the assertions that tests make on them.

/// The result of a command that ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; 128 + the signal's number when a signal ended it.
    pub code: i32,
    /// Standard output, lossily as text.
    pub stdout: String,
    /// Standard error, lossily as text.
    pub stderr: String,
}

impl Outcome {
    /// Asserts exit code 0 and returns standard output without its last line end.
    #[track_caller]
    pub fn success(&self) -> String {
        assert_eq!(self.code, 0, "{self}");
        self.stdout.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Asserts this exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Asserts that standard output is exactly `text`.
    #[track_caller]
    pub fn prints(&self, text: &str) -> &Self {
        assert_eq!(self.stdout, text, "{self}");
        self
    }

    /// Asserts that standard error holds `words`.
    #[track_caller]
    pub fn complains(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "standard error does not say {words:?}: {self}");
        self
    }

    /// Asserts that the failure is told in few plain words: no stack trace, no debug dump of a value.
    #[track_caller]
    pub fn plainly(&self) -> &Self {
        let text = self.stderr.trim();
        assert!(!text.is_empty(), "it failed without a word: {self}");
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 4, "it failed with a speech: {self}");
        for dump in
            ["panicked at", "RUST_BACKTRACE", "Os {", "Error {", "Custom {", "unwrap()", "kind: "]
        {
            assert!(!text.contains(dump), "the message holds {dump:?}: {self}");
        }
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}
