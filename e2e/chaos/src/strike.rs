//! Running a command of the runtime, and killing it on the way.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::family;

/// What a life consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Launch,
    Create,
    Start,
    Exec,
    Idle,
    Kill,
    Delete,
    Run,
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::Create => "create",
            Self::Start => "start",
            Self::Exec => "exec",
            Self::Idle => "idle",
            Self::Kill => "kill",
            Self::Delete => "delete",
            Self::Run => "run",
        }
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The runtime's or shim's process.
    Runtime,
    /// The process that it has just made.
    Newborn,
}

/// One kill -9 in a life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub step: Step,
    pub target: Target,
    /// When, in thousandths of the time that the step takes as a rule; up to 1200, which is after its end.
    pub moment: u32,
}

impl Strike {
    pub(crate) fn throw(dice: &mut Dice, steps: &[Step]) -> Self {
        let step = dice.pick(steps);
        let newborn = matches!(step, Step::Create | Step::Run | Step::Exec) && dice.once_in(4);
        let target = if newborn { Target::Newborn } else { Target::Runtime };
        Self { step, target, moment: dice.below(1200) }
    }

    /// Whether there is one, and in this step.
    pub(crate) fn is_at(strike: Option<Self>, step: Step) -> bool {
        strike.is_some_and(|strike| strike.step == step)
    }
}

/// How long each step takes as a rule, on this machine under this load.
#[derive(Debug, Default)]
pub(crate) struct Pace(HashMap<Step, Duration>);

impl Pace {
    /// Before the first measurement: the order of magnitude.
    const GUESS: Duration = Duration::from_millis(8);

    pub(crate) fn note(&mut self, step: Step, took: Duration) {
        let mean = self.0.entry(step).or_insert(took);
        *mean = (*mean * 7 + took) / 8;
    }

    pub(crate) fn delay(&self, strike: Strike) -> Duration {
        self.0.get(&strike.step).copied().unwrap_or(Self::GUESS) * strike.moment / 1000
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended by itself, with this status and these words on the standard error.
    Status(i32, String),
    Killed,
}

/// Runs commands one after another; their words go to a file, since a container that stays would hold a pipe open.
#[derive(Debug)]
pub(crate) struct Commands {
    words: PathBuf,
    pub pace: Pace,
    /// How many were killed, by step.
    pub killed: HashMap<&'static str, u64>,
}

impl Commands {
    pub(crate) fn new(words: PathBuf) -> Self {
        Self { words, pace: Pace::default(), killed: HashMap::new() }
    }

    /// Starts a command with nothing on its input and nobody at its output; its process id.
    #[expect(clippy::zombie_processes, reason = "the family hears of every child's end")]
    pub(crate) fn spawn(&self, command: &mut Command) -> u32 {
        // A new file each time: what runs on keeps the old one.
        drop(fs::remove_file(&self.words));
        let words = File::create(&self.words).expect("make the file for words");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words);
        let child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        child.id()
    }

    /// What the last command said.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(&self.words).unwrap_or_default().trim().to_owned()
    }

    /// Runs a command to its end, or to its death when the strike is for this step.
    pub(crate) fn run(&mut self, step: Step, command: &mut Command, strike: Option<Strike>) -> End {
        let begin = Instant::now();
        let child = self.spawn(command);
        let strike = strike.filter(|strike| strike.step == step);
        if let Some(strike) = strike {
            sleep(self.pace.delay(strike));
            self.hit(child, strike);
        }
        let status = family::await_status(child);
        let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        if strike.is_none() {
            self.pace.note(step, begin.elapsed());
        }
        match status.exit_status() {
            Some(code) => End::Status(code, self.words()),
            None => End::Killed,
        }
    }

    /// A child that has ended is hit in vain: until it is waited for, nobody else has its number.
    pub(crate) fn hit(&mut self, child: u32, strike: Strike) {
        match strike.target {
            Target::Runtime => {
                *self.killed.entry(strike.step.name()).or_default() += 1;
                family::kill(child);
            }
            Target::Newborn => {
                for pid in family::children(child) {
                    *self.killed.entry("newborn").or_default() += 1;
                    family::kill(pid);
                }
            }
        }
    }
}
