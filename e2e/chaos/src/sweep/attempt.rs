//! One kill at one system call, and what has to hold after it.

use std::process::Command;

use gantry_testkit::poll_for;

use super::{Case, Sweeper};
use crate::by_command_line::{State, catches_term};
use crate::family;
use crate::stage::{Bundle, Program, exec_process};
use crate::strike::{End, Step};
use crate::trace;

/// The status of programs that end by themselves.
const STATUS: i32 = 3;

impl Sweeper {
    /// Whether the command was killed at all, or had ended before that call.
    pub(super) fn attempt(&mut self, case: Case, number: u32) -> Result<bool, String> {
        // Both workers take the calls down.
        let serial = if number == 0 { 100_000 + std::process::id() } else { number };
        let id = trace::container_id(&self.folder, serial * 100 + case as u32);
        let program = match case {
            Case::Delete | Case::Run | Case::Newborn => Program::Quick(STATUS),
            Case::Pause | Case::DeleteForce => Program::Stubborn,
            _ => Program::Polite(STATUS),
        };
        let bundle = self.stage.bundle(&id, program, case == Case::CreateMapped);
        let tried = match case {
            Case::Shim => self.try_shim(&bundle, number),
            _ => self.try_command(case, &bundle, number),
        };
        let tried = tried.and_then(|killed| family::await_solitude().map(|()| killed));
        if tried.is_err() {
            family::children(std::process::id()).into_iter().for_each(family::kill);
            drop(self.call(&bundle, &["delete", "--force", &id]));
            drop(family::await_solitude());
        }
        let killed = tried?;
        bundle.close(&["exec.json", "address", "exits"]).map(|()| killed)
    }

    fn call(&mut self, bundle: &Bundle, arguments: &[&str]) -> End {
        let mut command = self.runtime.command(&bundle.path, arguments);
        self.commands.run(Step::Idle, &mut command, None)
    }

    fn succeed(&mut self, bundle: &Bundle, arguments: &[&str]) -> Result<(), String> {
        match self.call(bundle, arguments) {
            End::Status(0, _) => Ok(()),
            other => Err(format!("{arguments:?} gave {other:?}")),
        }
    }

    fn state(&self, bundle: &Bundle) -> Result<State, String> {
        self.runtime.state(bundle)?.ok_or_else(|| "the container is not there".to_owned())
    }

    /// Runs a command that is killed at its n-th system call.
    fn traced(&mut self, case: Case, bundle: &Bundle, number: u32, arguments: &[&str]) -> End {
        let plain = self.runtime.command(&bundle.path, arguments);
        let mut command = Command::new("strace");
        command.args(self.strace_flags(number));
        if case == Case::Newborn {
            command.arg("-f");
        }
        command.arg("--").arg(plain.get_program()).args(plain.get_args());
        command.current_dir(&bundle.path);
        self.commands.run(Step::Idle, &mut command, None)
    }

    fn try_command(&mut self, case: Case, bundle: &Bundle, number: u32) -> Result<bool, String> {
        let id = bundle.id.as_str();
        match case {
            Case::Create | Case::CreateMapped => {
                let end = self.traced(case, bundle, number, &["create", id]);
                self.after_create(bundle, &end)
            }
            Case::Run => {
                let end = self.traced(case, bundle, number, &["run", id]);
                self.after_run(bundle, &end)
            }
            Case::Newborn => {
                let end = self.traced(case, bundle, number, &["run", id]);
                self.after_newborn(bundle, &end)
            }
            Case::Start => {
                self.succeed(bundle, &["create", id])?;
                let pid = self.state(bundle)?.pid;
                let end = self.traced(case, bundle, number, &["start", id]);
                self.after_start(bundle, &end, pid)
            }
            Case::Exec => {
                self.succeed(bundle, &["run", "--detach", id])?;
                let pid = self.state(bundle)?.pid;
                std::fs::write(bundle.path.join("exec.json"), exec_process().to_string())
                    .map_err(|error| error.to_string())?;
                let exec = ["exec", "--process", "exec.json", id];
                let end = self.traced(case, bundle, number, &exec);
                // The container is none the worse.
                match self.call(bundle, &exec) {
                    End::Status(7, _) => self.end(bundle, pid)?,
                    other => return Err(format!("the next exec gave {other:?}")),
                }
                was_killed(&end, 7)
            }
            Case::Pause => {
                self.succeed(bundle, &["run", "--detach", id])?;
                let end = self.traced(case, bundle, number, &["pause", id]);
                // Perhaps half of it is frozen.
                self.succeed(bundle, &["delete", "--force", id])?;
                was_killed(&end, 0)
            }
            Case::Delete | Case::DeleteForce => self.try_delete(case, bundle, number),
            Case::Shim => unreachable!("a shim is no command"),
        }
    }

    fn after_create(&mut self, bundle: &Bundle, end: &End) -> Result<bool, String> {
        let state = self.runtime.state(bundle)?;
        if state.as_ref().is_some_and(|state| state.status == "creating") {
            // Somebody might still be at it: only force takes it away.
            let gentle = self.call(bundle, &["delete", &bundle.id]);
            if gentle == End::Status(0, String::new()) {
                return Err(
                    "delete without --force took a container that is being created".to_owned()
                );
            }
        }
        self.succeed(bundle, &["delete", "--force", &bundle.id])?;
        was_killed(end, 0)
    }

    fn after_start(&mut self, bundle: &Bundle, end: &End, pid: u32) -> Result<bool, String> {
        if self.state(bundle)?.status == "created" {
            match self.call(bundle, &["start", &bundle.id]) {
                End::Status(0, _) => {}
                // The word was said just before the kill: the program comes to run meanwhile.
                End::Status(_, words) if words.contains("already running") => {}
                other => return Err(format!("the second start gave {other:?}")),
            }
        }
        self.end(bundle, pid)?;
        was_killed(end, 0)
    }

    /// The program runs, ends when it is asked to, and its status is heard.
    fn end(&mut self, bundle: &Bundle, pid: u32) -> Result<(), String> {
        let runs = poll_for(std::time::Duration::from_secs(5), || catches_term(pid).then_some(()));
        runs.ok_or_else(|| {
            format!("the program does not run, though the state is {:?}", self.state(bundle))
        })?;
        self.succeed(bundle, &["kill", &bundle.id, "TERM"])?;
        match family::await_end(pid)? {
            STATUS => self.succeed(bundle, &["delete", &bundle.id]),
            status => Err(format!("the program ended with {status}")),
        }
    }

    fn try_delete(&mut self, case: Case, bundle: &Bundle, number: u32) -> Result<bool, String> {
        let id = bundle.id.as_str();
        self.succeed(bundle, &["create", id])?;
        let pid = self.state(bundle)?.pid;
        self.succeed(bundle, &["start", id])?;
        let (flags, expected): (&[&str], i32) = match case {
            Case::Delete => {
                // Dead, and not yet heard of by its parent, which we are.
                let stopped = || (self.state(bundle).ok()?.status == "stopped").then_some(());
                poll_for(gantry_testkit::TIMEOUT, stopped).ok_or("the program does not end")?;
                (&["delete", id], STATUS)
            }
            _ => (&["delete", "--force", id], 137),
        };
        let end = self.traced(case, bundle, number, flags);
        self.succeed(bundle, &["delete", "--force", id])?;
        let status = family::await_end(pid)?;
        if status != expected {
            return Err(format!("the program ended with {status}, not {expected}"));
        }
        was_killed(&end, 0)
    }

    fn after_run(&mut self, bundle: &Bundle, end: &End) -> Result<bool, String> {
        let state = self.runtime.state(bundle)?;
        if let End::Status(..) = end
            && state.is_some()
        {
            return Err(format!("run has ended and leaves {state:?}"));
        }
        self.succeed(bundle, &["delete", "--force", &bundle.id])?;
        was_killed(end, STATUS)
    }

    /// Nobody cleans up after a run that itself survives.
    fn after_newborn(&mut self, bundle: &Bundle, end: &End) -> Result<bool, String> {
        match end {
            // It was the runtime that was hit: a few of these calls are its own as well.
            End::Killed => self.succeed(bundle, &["delete", "--force", &bundle.id]).map(|()| true),
            End::Status(STATUS, _) => Ok(false),
            End::Status(0, words) => Err(format!("run succeeds without its process: {words}")),
            End::Status(..) => Ok(true),
        }
    }
}

/// Whether the command was killed; when it was not, it must have ended with `status`.
fn was_killed(end: &End, status: i32) -> Result<bool, String> {
    match end {
        End::Killed => Ok(true),
        End::Status(code, _) if *code == status => Ok(false),
        End::Status(..) => Err(format!("the command was not killed but gave {end:?}")),
    }
}
