//! One life of a container through the command line of gantry-runc, as conmon and containerd's shim lead it: they adopt the
//! container's process and hear of its end themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gantry_testkit::poll_for;
use serde_json::Value;

use crate::dice::Dice;
use crate::family;
use crate::stage::{Bundle, Program, Stage, exec_process};
use crate::strike::{Commands, End, Step, Strike, Target};

/// gantry-runc with a place for its state.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub program: PathBuf,
    pub state_root: PathBuf,
}

impl Runtime {
    pub(crate) fn command(&self, bundle: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.state_root).args(arguments).current_dir(bundle);
        command
    }

    /// What `state` says of a container; none when there is none.
    pub(crate) fn state(&self, bundle: &Bundle) -> Result<Option<State>, String> {
        let output = self.command(&bundle.path, &["state", &bundle.id]).output();
        let output = output.map_err(|error| format!("run state: {error}"))?;
        let words = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return if words.contains("does not exist") {
                Ok(None)
            } else {
                Err(format!("state: {words}"))
            };
        }
        let state: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("state printed no JSON: {error}"))?;
        let status = state["status"].as_str().unwrap_or_default().to_owned();
        let pid = state["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        Ok(Some(State { status, pid }))
    }
}

/// Part of what `state` prints.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub status: String,
    /// Zero when it has ended.
    pub pid: u32,
}

/// What happens in a life, all thrown before it begins.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one throw of the dice each")]
struct Plan {
    program: Program,
    mapped: bool,
    foreground: bool,
    exec: bool,
    /// Hear of the end only when everything else is gone.
    hear_late: bool,
    give_up: bool,
    strike: Option<Strike>,
}

impl Plan {
    fn throw(dice: &mut Dice) -> Self {
        let program = Program::throw(dice);
        let foreground = dice.once_in(4);
        let steps: &[Step] = match (foreground, program) {
            (true, _) => &[Step::Run],
            (false, Program::Quick(_)) => &[Step::Create, Step::Start, Step::Delete],
            (false, _) => {
                &[Step::Create, Step::Create, Step::Start, Step::Exec, Step::Kill, Step::Delete]
            }
        };
        let strike = (!dice.once_in(4)).then(|| Strike::throw(dice, steps));
        let exec = Strike::is_at(strike, Step::Exec) || dice.once_in(3);
        Self {
            program,
            mapped: dice.once_in(4),
            foreground,
            exec: exec && !matches!(program, Program::Quick(_)),
            hear_late: dice.once_in(2),
            give_up: dice.once_in(2),
            strike,
        }
    }
}

/// Lives one life; what went wrong, if something did.
pub(crate) fn live(
    runtime: &Runtime,
    stage: &Stage,
    commands: &mut Commands,
    dice: &mut Dice,
    id: &str,
) -> Result<(), String> {
    let plan = Plan::throw(dice);
    let bundle = stage.bundle(id, plan.program, plan.mapped);
    let mut life = Life { runtime, bundle: &bundle, commands, plan: &plan };
    let lived = if plan.foreground { life.in_foreground() } else { life.step_by_step() };
    let checked = lived.and_then(|()| family::await_solitude());
    if checked.is_err() {
        // Others go on; what stands here shall not stay.
        drop(life.call(Step::Delete, &["delete", "--force", id]));
    }
    checked
        .and_then(|()| bundle.close(&["exec.json"]))
        .map_err(|error| format!("{error}\n  {plan:?}"))
}

struct Life<'a> {
    runtime: &'a Runtime,
    bundle: &'a Bundle,
    commands: &'a mut Commands,
    plan: &'a Plan,
}

impl Life<'_> {
    fn call(&mut self, step: Step, arguments: &[&str]) -> End {
        let mut command = self.runtime.command(&self.bundle.path, arguments);
        self.commands.run(step, &mut command, self.plan.strike)
    }

    /// The same, safe from strikes; it has to succeed.
    fn succeed(&mut self, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.runtime.command(&self.bundle.path, arguments);
        match self.commands.run(Step::Idle, &mut command, None) {
            End::Status(0, _) => Ok(()),
            other => Err(format!("{arguments:?} gave {other:?}")),
        }
    }

    fn is_struck(&self, step: Step) -> bool {
        Strike::is_at(self.plan.strike, step)
    }

    fn state(&self) -> Result<Option<State>, String> {
        self.runtime.state(self.bundle)
    }

    /// What a container that is to go is treated with.
    fn force(&mut self) -> Result<(), String> {
        let id = self.bundle.id.clone();
        self.succeed(&["delete", "--force", &id])
    }

    fn step_by_step(&mut self) -> Result<(), String> {
        let id = self.bundle.id.clone();
        let made = self.call(Step::Create, &["create", &id]);
        let target = self.plan.strike.map(|strike| strike.target);
        if self.is_struck(Step::Create) && target == Some(Target::Newborn) {
            // Dying takes a moment; whether it was hit at all is not known.
            let stopped = || (self.state().ok()??.status == "stopped").then_some(());
            poll_for(Duration::from_millis(200), stopped);
        }
        let state = self.state()?;
        match (made, state) {
            (End::Status(0, _), Some(state)) if state.status == "created" => self.go_on(&state),
            // Killed when it had done its work.
            (End::Killed, Some(state)) if state.status == "created" && !self.plan.give_up => {
                self.go_on(&state)
            }
            (End::Killed, _) => self.force(),
            (End::Status(0, _), Some(state))
                if state.status == "stopped" && self.is_struck(Step::Create) =>
            {
                self.force()
            }
            // The new process was killed: a failure that leaves nothing, with nobody's help.
            (End::Status(_, _), None) if self.is_struck(Step::Create) => Ok(()),
            (end, state) => Err(format!("create gave {end:?}, the state is {state:?}")),
        }
    }

    fn go_on(&mut self, created: &State) -> Result<(), String> {
        let id = self.bundle.id.clone();
        match self.call(Step::Start, &["start", &id]) {
            End::Status(0, _) => {}
            End::Killed => {
                let state = self.state()?.ok_or("the container has gone with its start")?;
                if state.status == "created" {
                    // The one that was killed may have said the word just before: then the program comes to run meanwhile.
                    match self.call(Step::Idle, &["start", &id]) {
                        End::Status(0, _) => {}
                        End::Status(_, words) if words.contains("already running") => {}
                        // A quick one may have ended, too.
                        End::Status(_, words) if words.contains("has stopped") => {}
                        end => return Err(format!("the second start gave {end:?}")),
                    }
                }
            }
            end @ End::Status(..) => return Err(format!("start gave {end:?}")),
        }
        if self.plan.exec {
            self.exec()?;
        }
        self.end(created.pid)?;
        if !self.plan.hear_late {
            self.hear(created.pid)?;
        }
        match self.call(Step::Delete, &["delete", &id]) {
            End::Status(0, _) => {}
            End::Killed => self.force()?,
            end @ End::Status(..) => return Err(format!("delete gave {end:?}")),
        }
        if self.plan.hear_late { self.hear(created.pid) } else { Ok(()) }
    }

    fn exec(&mut self) -> Result<(), String> {
        let id = self.bundle.id.clone();
        let path = self.bundle.path.join("exec.json");
        std::fs::write(&path, exec_process().to_string()).map_err(|error| error.to_string())?;
        match self.call(Step::Exec, &["exec", "--process", "exec.json", &id]) {
            End::Status(7, _) | End::Killed => Ok(()),
            End::Status(_, _) if self.is_struck(Step::Exec) => Ok(()),
            end @ End::Status(..) => Err(format!("exec gave {end:?}")),
        }
    }

    /// Brings the program to its end.
    fn end(&mut self, pid: u32) -> Result<(), String> {
        let id = self.bundle.id.clone();
        match self.plan.program {
            Program::Quick(_) => {}
            Program::Stubborn => match self.call(Step::Kill, &["kill", &id, "KILL"]) {
                End::Status(0, _) => {}
                // Once more; the first may have done it.
                End::Killed => drop(self.call(Step::Idle, &["kill", &id, "KILL"])),
                end @ End::Status(..) => return Err(format!("kill gave {end:?}")),
            },
            // The kernel keeps the signal from a first process that does not listen yet.
            Program::Polite(_) => {
                let listens = poll_for(gantry_testkit::TIMEOUT, || catches_term(pid).then_some(()));
                listens.ok_or("the program does not come to run")?;
                match self.call(Step::Kill, &["kill", &id, "TERM"]) {
                    End::Status(0, _) => {}
                    End::Killed => drop(self.call(Step::Idle, &["kill", &id, "TERM"])),
                    end @ End::Status(..) => return Err(format!("kill gave {end:?}")),
                }
            }
        }
        let ended = poll_for(gantry_testkit::TIMEOUT, || match self.state() {
            Ok(Some(state)) if state.status == "stopped" => Some(Ok(())),
            Ok(Some(_)) => {
                // An orphan of an exec that nobody hears of would hold the first process back.
                family::listen();
                None
            }
            Ok(None) => Some(Err("the container has gone by itself".to_owned())),
            Err(error) => Some(Err(error)),
        });
        ended.unwrap_or_else(|| Err("the program does not end".to_owned()))
    }

    /// The one time that the end of the container's process is heard.
    fn hear(&self, pid: u32) -> Result<(), String> {
        let status = family::await_end(pid)?;
        if status == self.expected() {
            Ok(())
        } else {
            Err(format!("the program ended with {status}, not {}", self.expected()))
        }
    }

    fn expected(&self) -> i32 {
        self.plan.program.expected()
    }

    fn in_foreground(&mut self) -> Result<(), String> {
        if let Some(strike) = self.plan.strike {
            return self.struck_in_foreground(strike);
        }
        let id = self.bundle.id.clone();
        let mut command = self.runtime.command(&self.bundle.path, &["run", &id]);
        let begin = Instant::now();
        let child = self.commands.spawn(&mut command);
        if !matches!(self.plan.program, Program::Quick(_)) {
            let pid = poll_for(gantry_testkit::TIMEOUT, || {
                let state = self.state().ok()??;
                (state.status == "running").then_some(state.pid)
            });
            self.commands.pace.note(Step::Run, begin.elapsed());
            let signal = if self.plan.program == Program::Stubborn { "KILL" } else { "TERM" };
            let pid =
                pid.ok_or_else(|| format!("run does not come to run: {}", self.commands.words()))?;
            poll_for(gantry_testkit::TIMEOUT, || {
                (signal == "KILL" || catches_term(pid)).then_some(())
            });
            self.kill_beside(signal)?;
        }
        match family::await_status(child)?.exit_status() {
            Some(code) if code == self.expected() => Ok(()),
            code => Err(format!(
                "run gave {code:?}, not {}: {}",
                self.expected(),
                self.commands.words()
            )),
        }
    }

    /// A kill whose words do not mix with those of `run`.
    fn kill_beside(&self, signal: &str) -> Result<(), String> {
        let killed =
            self.runtime.command(&self.bundle.path, &["kill", &self.bundle.id, signal]).output();
        let killed = killed.map_err(|error| error.to_string())?;
        if killed.status.success() {
            Ok(())
        } else {
            Err(format!("kill: {}", String::from_utf8_lossy(&killed.stderr)))
        }
    }

    fn struck_in_foreground(&mut self, strike: Strike) -> Result<(), String> {
        let id = self.bundle.id.clone();
        let mut command = self.runtime.command(&self.bundle.path, &["run", &id]);
        let child = self.commands.spawn(&mut command);
        std::thread::sleep(self.commands.pace.delay(strike));
        self.commands.hit(child, strike);
        if strike.target == Target::Newborn {
            // Not hit, a stubborn program would run on.
            poll_for(Duration::from_millis(100), || family::has_ended(child).then_some(()));
            family::kill(child);
        }
        let status = family::await_status(child)?;
        if let Some(code) = status.exit_status() {
            // It ended by itself: then it has put everything away, too.
            return match self.state()? {
                None if strike.target == Target::Newborn || code == self.expected() => Ok(()),
                state => {
                    Err(format!("run gave {code} and leaves {state:?}: {}", self.commands.words()))
                }
            };
        }
        let ran = self.state()?.filter(|state| state.status == "running");
        self.force()?;
        let Some(state) = ran else { return Ok(()) };
        match family::await_end(state.pid)? {
            137 => Ok(()),
            status if status == self.expected() => Ok(()),
            status => Err(format!("the program of a run that was killed ended with {status}")),
        }
    }
}

/// Whether a process has a handler for SIGTERM.
pub(crate) fn catches_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << 14) != 0)
}
