//! What the containers here write, and what their logs must say: each run counts from one, and no number is lost or doubled.

/// Counts until it is asked to end; then says how far it came. The trap stands before the first word.
pub(crate) const COUNTER: &str = "i=0; trap 'echo end $i; exit 7' TERM; echo run; echo run >>/v/runs; \
    while :; do for n in 1 2 3 4 5; do i=$((i+1)); echo $i; done; sleep 0.05; done";

/// One run, as the log tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Run {
    pub lines: u32,
    /// It came to its own end and said so.
    pub ended: bool,
}

/// The runs in a log of [`COUNTER`]'s, or of anything that says `run`, numbers, and `end`.
pub(crate) fn runs(log: &str) -> Result<Vec<Run>, String> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, line) in log.lines().enumerate() {
        let wrong = || {
            format!("line {} is {line:?}, after {:?}", at + 1, log.lines().nth(at.wrapping_sub(1)))
        };
        if line == "run" {
            runs.push(Run::default());
            continue;
        }
        let run = runs.last_mut().filter(|run| !run.ended).ok_or_else(wrong)?;
        if let Some(last) = line.strip_prefix("end ") {
            // The trap may come between counting and saying so.
            let said: u32 = last.parse().map_err(|_| wrong())?;
            if said != run.lines && said != run.lines + 1 {
                return Err(wrong());
            }
            run.ended = true;
        } else if line.parse() == Ok(run.lines + 1) {
            run.lines += 1;
        } else {
            return Err(wrong());
        }
    }
    Ok(runs)
}

/// Whole lines of what was received so far.
pub(crate) fn whole(text: &str) -> &str {
    text.rfind('\n').map_or("", |at| &text[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_doubled_and_strange_lines_are_found() {
        let run = |lines, ended| Run { lines, ended };
        assert_eq!(runs("run\n1\n2\nend 2\nrun\n1\n"), Ok(vec![run(2, true), run(1, false)]));
        assert_eq!(runs("run\n1\nend 2\n"), Ok(vec![run(1, true)]));
        assert_eq!(runs(""), Ok(vec![]));
        for wrong in
            ["1\n", "run\n1\n3\n", "run\n1\n1\n", "run\n1\nend 3\n", "run\nend 0\n1\n", "run\nx\n"]
        {
            assert!(runs(wrong).is_err(), "{wrong}");
        }
        assert_eq!(whole("a\nb\nc"), "a\nb\n");
    }
}
