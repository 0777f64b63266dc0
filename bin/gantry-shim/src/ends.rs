//! The ends of a container's processes: recorded, then told. In this order, and of the first process the
//! second waits, within a limit, for the end of its output and of the container's other processes. It is
//! told of last.

use crate::container::Container;
use crate::error::Error;
use crate::exits;
use crate::hub::Hub;
use crate::oom::{self, OomWatch};
use crate::process::{Exit, Leaving, Process, Stage};
use crate::runtime::Invocation;
use crate::server::earlier;
use gantry_runtime::KillScope;
use gantry_shim_protocol::event::{TaskExit, TaskOom};
use gantry_shim_protocol::exit::ExitRecord;
use gantry_shim_protocol::rpc::Response;
use gantry_shim_protocol::task::WaitResponse;
use gantry_types::Signal;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long the end of the first process waits for the end of its output, and for the container's other
/// processes; and how long Delete of a process with a logger waits for the end of the output. A process outside the container's pid namespace could hold a pipe open for ever.
pub(crate) const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);

/// What the records of forgotten processes may take.
const SPARE_EXITS_BYTES: u64 = 64 * 1024;
/// The status of a process that was killed.
const KILLED: u32 = 128 + 9;
/// What one record takes at most, but for ids that nobody gives.
const EXIT_BYTES: u64 = 1024;

impl Container {
    /// Tells of processes that were killed for lack of memory.
    pub(crate) fn tell_oom(&mut self, hub: &mut Hub) {
        if self.oom.as_mut().is_some_and(OomWatch::take) {
            let event = TaskOom { container_id: self.id.clone() };
            hub.publisher.publish(&event, &mut hub.poller);
        }
    }

    /// Takes note of the end of a child; false: it is not one of this container's.
    pub(crate) fn note_child(&mut self, pid: u32, status: u32) -> bool {
        if let Some(index) = self.processes.iter().position(|process| is_alive(process, pid)) {
            self.note_end(index, Exit { pid, status, exited_at: gantry_sys::clock::now() });
            return true;
        }
        self.processes.iter_mut().any(|process| process.streams.logger_ended(pid, status))
            || self.invocations().any(|invocation| invocation.note_end(pid, status))
    }

    /// Takes note of those of this container's processes, its loggers and its runtime's programs that have ended.
    pub(crate) fn reap_own(&mut self) {
        self.invocations().for_each(Invocation::reap);
        self.processes.iter_mut().for_each(|process| process.streams.reap_logger());
        for index in 0..self.processes.len() {
            let Ok(alive) = self.processes[index].alive() else { continue };
            let pid = alive.pid;
            if let Ok(Some(ended)) = gantry_sys::pidfd::try_wait(alive.pidfd.as_fd()) {
                let exited_at = gantry_sys::clock::now();
                self.note_end(index, Exit { pid, status: ended.code().into(), exited_at });
            }
        }
    }

    /// Writes an end down. It is told when the output is out.
    pub(crate) fn note_end(&mut self, index: usize, exit: Exit) {
        let process = &self.processes[index];
        let record = ExitRecord {
            id: self.id.clone(),
            exec_id: process.exec_id.clone(),
            pid: exit.pid,
            status: exit.status,
            exited_at: exit.exited_at,
            oom_killed: process.is_init() && exit.status == KILLED && self.had_oom_kill(exit.pid),
        };
        // A bundle on a full or vanished disk: those who wait are still told.
        drop(self.record_end(&record));
        let process = &mut self.processes[index];
        let is_init = process.is_init();
        let patience = if is_init { OUTPUT_PATIENCE } else { Duration::ZERO };
        process.stage = Stage::Ended { exit, patience: gantry_sys::clock::monotonic() + patience };
        if is_init && process.shares_pids {
            // Nobody else ends those who are left: the container is over. There may be none.
            if let Ok(progress) = self.runtime.kill(Signal::KILL, KillScope::All) {
                self.go_on(progress);
            }
        }
    }

    /// Whether the kernel killed in the container for want of memory, whose first process was killed by somebody.
    fn had_oom_kill(&self, pid: u32) -> bool {
        oom::had_kill(self.runtime.cgroup(None).ok().as_ref(), pid)
    }

    /// Records of processes that the callers have forgotten go when the file is long: of health checks there is no end.
    fn record_end(&self, record: &ExitRecord) -> Result<(), Error> {
        let length = exits::append(&self.bundle, record)?;
        // So much beyond what there has to be that it is not written anew all the time.
        let processes = u64::try_from(self.processes.len()).unwrap_or(u64::MAX);
        if length > SPARE_EXITS_BYTES.saturating_add(processes.saturating_mul(EXIT_BYTES)) {
            return exits::condense(&self.bundle, |record| self.find(&record.exec_id).is_ok());
        }
        Ok(())
    }

    /// Looks after processes whose streams or ends need it; gives the time until the next.
    pub(crate) fn tend(&mut self, now: Duration, hub: &mut Hub) -> Option<Duration> {
        let mut next = None;
        // The container's first process last: of others that ended in the same moment is told before.
        let count = self.processes.len();
        for index in (1..count).chain(0..count.min(1)) {
            let others_run = self.others_run(index);
            let is_starting = index == 0 && self.is_starting();
            let process = &mut self.processes[index];
            next = earlier(next, process.streams.tend(now, &hub.poller));
            if let Stage::Ended { patience, .. } = process.stage
                && !is_starting
            {
                let waits = !process.streams.output_ended() || others_run;
                if waits && patience > now {
                    next = earlier(next, Some(patience.saturating_sub(now)));
                } else {
                    self.tell_end(index, hub);
                }
            }
            let process = &mut self.processes[index];
            if matches!(process.stage, Stage::Exited(_)) && process.streams.output_ended() {
                process.streams.close(&hub.poller);
            }
            next = earlier(next, see_off(process, now, hub));
        }
        self.processes.retain(|process| !(process.deleted && process.streams.is_closed()));
        next
    }

    /// Whether this is the first process and others have not ended.
    fn others_run(&self, index: usize) -> bool {
        let running = |process: &Process| matches!(process.stage, Stage::Running(_));
        self.processes[index].is_init() && self.processes.iter().any(running)
    }

    /// Tells everyone that a process has ended.
    pub(crate) fn tell_end(&mut self, index: usize, hub: &mut Hub) {
        let process = &mut self.processes[index];
        let Stage::Ended { exit, .. } = process.stage else {
            return;
        };
        process.stage = Stage::Exited(exit);
        let id = if process.is_init() { &self.id } else { &process.exec_id };
        let event = TaskExit {
            container_id: self.id.clone(),
            id: id.clone(),
            pid: exit.pid,
            exit_status: exit.status,
            exited_at: Some(exit.exited_at),
        };
        hub.publisher.publish(&event, &mut hub.poller);
        answer_waiters(&mut self.processes[index], exit, hub);
    }
}

/// Answers Delete when the logger has ended, for which its input has to end; gives the time until it does.
fn see_off(process: &mut Process, now: Duration, hub: &mut Hub) -> Option<Duration> {
    let leaving = process.leaving.as_ref()?;
    if !process.streams.logger_runs() {
        let Leaving { caller, response, .. } = process.leaving.take()?;
        hub.respond(caller, &response);
        return None;
    }
    if process.streams.output_ended() {
        return None;
    }
    if leaving.patience > now {
        return Some(leaving.patience.saturating_sub(now));
    }
    // Whoever still holds the process's pipes is not waited for.
    process.streams.drain(&mut hub.buffer, &hub.poller);
    process.streams.close(&hub.poller);
    None
}

/// Answers the calls of Wait.
pub(crate) fn answer_waiters(process: &mut Process, exit: Exit, hub: &mut Hub) {
    let response = Response::success(&wait_response(exit));
    for waiter in std::mem::take(&mut process.waiters) {
        hub.respond(waiter, &response);
    }
}

pub(crate) fn wait_response(exit: Exit) -> WaitResponse {
    WaitResponse { exit_status: exit.status, exited_at: Some(exit.exited_at) }
}

fn is_alive(process: &Process, pid: u32) -> bool {
    matches!(&process.stage, Stage::Created(alive) | Stage::Running(alive) if alive.pid == pid)
}
