//! One life of a container through a shim, as a daemon leads it. The shim may be killed at any moment; then `gantry-shim delete` puts
//! away what is left, as containerd and gantryd have it do.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use gantry_shim_protocol::EXITS_FILE;
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::task::DeleteResponse;
use gantry_shim_protocol::wire::Message as _;
use gantry_shims::{CreateOptions, ExecOptions, ExitNotice, LaunchOptions, Shim, Shims};
use gantry_testkit::poll_for;
use gantry_types::Signal;

use crate::by_command_line::catches_term;
use crate::dice::Dice;
use crate::family;
use crate::stage::{Bundle, Program, Stage, exec_process};
use crate::strike::{Commands, Step, Strike};

/// How long an answer may take that has to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The status of a process whose shim was killed.
const KILLED: u32 = 137;
/// What a shim leaves in its bundle for whoever asks later.
pub(crate) const KEPT_FILES: [&str; 2] = ["address", EXITS_FILE];

/// gantry-shim, and the way to its instances.
#[derive(Debug)]
pub(crate) struct ShimProgram {
    pub program: PathBuf,
    pub shims: Shims,
}

#[derive(Debug)]
struct Plan {
    program: Program,
    mapped: bool,
    exec: bool,
    strike: Option<Strike>,
}

impl Plan {
    fn throw(dice: &mut Dice) -> Self {
        let program = Program::throw(dice);
        let steps: &[Step] = match program {
            Program::Quick(_) => {
                &[Step::Launch, Step::Create, Step::Start, Step::Idle, Step::Delete]
            }
            _ => &[
                Step::Launch,
                Step::Create,
                Step::Start,
                Step::Exec,
                Step::Idle,
                Step::Kill,
                Step::Delete,
            ],
        };
        let strike = (!dice.once_in(4)).then(|| Strike::throw(dice, steps));
        let exec = Strike::is_at(strike, Step::Exec) || dice.once_in(3);
        Self {
            program,
            mapped: dice.once_in(4),
            exec: exec && !matches!(program, Program::Quick(_)),
            strike,
        }
    }
}

/// Lives one life; what went wrong, if something did.
pub(crate) fn live(
    program: &ShimProgram,
    stage: &Stage,
    commands: &mut Commands,
    dice: &mut Dice,
    id: &str,
) -> Result<(), String> {
    let plan = Plan::throw(dice);
    let bundle = stage.bundle(id, plan.program, plan.mapped);
    let mut life = Life { program, bundle: &bundle, commands, plan: &plan, struck: false };
    let lived = life.launch_and_go_on().and_then(|()| family::await_solitude());
    if lived.is_err() {
        // Others go on; what stands here shall not stay.
        family::children(std::process::id()).into_iter().for_each(family::kill);
        drop(delete_by_hand(program, &bundle));
    }
    lived.and_then(|()| bundle.close(&KEPT_FILES)).map_err(|error| format!("{error}\n  {plan:?}"))
}

struct Life<'a> {
    program: &'a ShimProgram,
    bundle: &'a Bundle,
    commands: &'a mut Commands,
    plan: &'a Plan,
    /// The shim was sent its end.
    struck: bool,
}

impl Life<'_> {
    fn launch_and_go_on(&mut self) -> Result<(), String> {
        let options = LaunchOptions {
            binary: self.program.program.clone(),
            bundle: self.bundle.path.clone(),
            id: self.bundle.id.clone(),
        };
        let launched = self.step(Step::Launch, 0, || self.program.shims.launch(&options));
        let shim = match launched {
            Ok(shim) => shim,
            Err(_) if self.is_struck(Step::Launch) => {
                // Whatever of it still runs would wait for a caller for ever.
                family::children(std::process::id()).into_iter().for_each(family::kill);
                return self.put_away(None);
            }
            Err(error) => return Err(format!("launch: {}", whole(&error))),
        };
        let identity = match shim.identify() {
            Ok(identity) => identity,
            Err(_) if self.is_struck(Step::Launch) => return self.put_away(None),
            Err(error) => return Err(format!("connect: {}", whole(&error))),
        };
        let (sender, notices) = sync_channel(4);
        let lived = self.go_on(&shim, identity.shim_pid, &|| {
            let sender = sender.clone();
            shim.on_exit("", move |notice| sender.try_send(notice).unwrap_or_default());
        });
        if self.is_struck(Step::Launch) {
            // Whom that hit is not known.
            let dead = || family::has_ended(identity.shim_pid).then_some(());
            self.struck = poll_for(Duration::from_millis(100), dead).is_some();
        }
        match lived {
            Ok(()) if !self.struck => self.dismiss(&shim, &notices),
            Err(error) if !self.struck => Err(error),
            // Struck at the very end, or a call has failed: that was the strike.
            _ => self.put_away(Some(&notices)),
        }
    }

    fn go_on(&mut self, shim: &Shim, shim_pid: u32, listen: &dyn Fn()) -> Result<(), String> {
        let pid = self.call(Step::Create, shim_pid, || shim.create(&CreateOptions::default()))?;
        listen();
        self.call(Step::Start, shim_pid, || shim.start(""))?;
        if self.plan.exec {
            let process = exec_process().to_string().into_bytes();
            let notice = self.call(Step::Exec, shim_pid, || {
                shim.exec("e1", &ExecOptions { process, ..ExecOptions::default() })?;
                shim.start("e1")?;
                Ok(shim.wait("e1", PATIENCE))
            })?;
            if !matches!(notice, Some(ExitNotice::Exited { status: 7, .. })) {
                return Err(format!("the exec ended with {notice:?}"));
            }
        }
        if self.is_struck(Step::Idle) {
            self.call(Step::Idle, shim_pid, || {
                thread::sleep(Duration::from_millis(2));
                Ok(())
            })?;
        }
        match self.plan.program {
            Program::Quick(_) => {}
            Program::Stubborn => self.call(Step::Kill, shim_pid, || shim.kill("", Signal::KILL))?,
            Program::Polite(_) => {
                let listens = || (catches_term(pid) || family::has_ended(shim_pid)).then_some(());
                poll_for(PATIENCE, listens).ok_or("the program does not come to run")?;
                self.call(Step::Kill, shim_pid, || shim.kill("", Signal::TERM))?;
            }
        }
        match shim.wait("", PATIENCE) {
            Some(ExitNotice::Exited { status, .. }) if status == self.expected() => {}
            notice => {
                return Err(format!(
                    "the container ended with {notice:?}, not {}",
                    self.expected()
                ));
            }
        }
        let deleted = self.call(Step::Delete, shim_pid, || shim.delete(""))?;
        self.agree("the answer to Delete", deleted)
    }

    /// The end of a shim that nobody killed.
    fn dismiss(&self, shim: &Shim, notices: &Receiver<ExitNotice>) -> Result<(), String> {
        shim.shutdown().map_err(|error| format!("shutdown: {}", whole(&error)))?;
        let notice = notices.recv_timeout(PATIENCE).map_err(|_| "nobody told of the end")?;
        self.agree("the notice", notice)?;
        heard_once(notices)?;
        match self.recorded()? {
            Some(status) if status == self.expected() => Ok(()),
            recorded => Err(format!("the record says {recorded:?}, not {}", self.expected())),
        }
    }

    /// What a daemon does when a shim is gone: it hears so, has the rest put away, and knows one status.
    fn put_away(&self, notices: Option<&Receiver<ExitNotice>>) -> Result<(), String> {
        let recorded = self.recorded()?;
        if let Some(status) = recorded.filter(|status| *status != self.expected()) {
            return Err(format!("the record says {status}, not {}", self.expected()));
        }
        if let Some(notices) = notices {
            match (
                notices
                    .recv_timeout(Duration::ZERO)
                    .or_else(|_| notices.recv_timeout(Duration::from_millis(200))),
                recorded,
            ) {
                (Ok(ExitNotice::Exited { status, .. }), Some(recorded)) if status == recorded => {}
                // Not asked for yet when it died.
                (Ok(ExitNotice::ShimDied), None) | (Err(_), _) => {}
                (notice, recorded) => {
                    return Err(format!("the notice says {notice:?}, the record {recorded:?}"));
                }
            }
            heard_once(notices)?;
        }
        let answer = delete_by_hand(self.program, self.bundle)?;
        if answer == recorded.unwrap_or(KILLED) {
            Ok(())
        } else {
            Err(format!("`gantry-shim delete` says {answer}, the record {recorded:?}"))
        }
    }

    /// The status that the bundle's record holds, which is there once at most.
    fn recorded(&self) -> Result<Option<u32>, String> {
        let text = std::fs::read_to_string(self.bundle.path.join(EXITS_FILE)).unwrap_or_default();
        let records = text.lines().filter_map(|line| ExitRecord::parse(line).ok());
        let own: Vec<u32> = records
            .filter(|record| record.exec_id.is_empty())
            .map(|record| record.status)
            .collect();
        match own.as_slice() {
            [] => Ok(None),
            [status] => Ok(Some(*status)),
            more => Err(format!("the end is recorded {} times", more.len())),
        }
    }

    fn agree(&self, who: &str, notice: ExitNotice) -> Result<(), String> {
        match notice {
            ExitNotice::Exited { status, .. } if status == self.expected() => Ok(()),
            other => Err(format!("{who} says {other:?}, not {}", self.expected())),
        }
    }

    fn expected(&self) -> u32 {
        self.plan.program.expected().unsigned_abs()
    }

    fn is_struck(&self, step: Step) -> bool {
        Strike::is_at(self.plan.strike, step)
    }

    fn call<T>(
        &mut self,
        step: Step,
        shim_pid: u32,
        call: impl FnOnce() -> Result<T, gantry_shims::Error>,
    ) -> Result<T, String> {
        self.step(step, shim_pid, call)
            .map_err(|error| format!("{}: {}", step.name(), whole(&error)))
    }

    /// Does something while, perhaps, the shim is killed; pid 0 means that it is not known yet.
    fn step<T>(&mut self, step: Step, shim_pid: u32, act: impl FnOnce() -> T) -> T {
        let Some(strike) = self.plan.strike.filter(|strike| strike.step == step) else {
            let begin = Instant::now();
            let result = act();
            self.commands.pace.note(step, begin.elapsed());
            return result;
        };
        *self.commands.killed.entry(shim_name(step)).or_default() += 1;
        self.struck = shim_pid != 0;
        let delay = self.commands.pace.delay(strike);
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(delay);
                if shim_pid == 0 {
                    family::children(std::process::id()).into_iter().for_each(family::kill);
                } else {
                    family::kill(shim_pid);
                }
            });
            act()
        })
    }
}

fn heard_once(notices: &Receiver<ExitNotice>) -> Result<(), String> {
    match notices.try_recv() {
        Ok(second) => Err(format!("the end was told twice: {second:?}")),
        Err(_) => Ok(()),
    }
}

/// The status that `gantry-shim delete` tells.
pub(crate) fn delete_by_hand(program: &ShimProgram, bundle: &Bundle) -> Result<u32, String> {
    let failed = |error| format!("run gantry-shim delete: {error}");
    let (answer, words) =
        (tempfile::tempfile().map_err(failed)?, tempfile::tempfile().map_err(failed)?);
    let child = Command::new(&program.program)
        .args(["-namespace", "gantry", "-id", &bundle.id, "-bundle"])
        .arg(&bundle.path)
        .arg("delete")
        .current_dir(&bundle.path)
        .stdin(Stdio::null())
        .stdout(answer.try_clone().map_err(failed)?)
        .stderr(words.try_clone().map_err(failed)?)
        .spawn()
        .map_err(failed)?;
    let status = family::await_end(child.id())?;
    if status != 0 {
        return Err(format!("gantry-shim delete: {}", String::from_utf8_lossy(&whole_file(words))));
    }
    let answer = DeleteResponse::decode(&whole_file(answer)).map_err(|error| whole(&error))?;
    Ok(answer.exit_status)
}

fn whole_file(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    read.expect("read a temporary file of ours");
    bytes
}

fn shim_name(step: Step) -> &'static str {
    match step {
        Step::Launch => "shim launch",
        Step::Create => "shim create",
        Step::Start => "shim start",
        Step::Exec => "shim exec",
        Step::Kill => "shim kill",
        Step::Delete => "shim delete",
        Step::Idle | Step::Run => "shim idle",
    }
}

/// An error with its causes.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
