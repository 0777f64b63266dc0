//! `top`: a container's processes in the columns of `ps`, read from the kernel. The host's `ps` is not run: it need not
//! be there, and its own arguments would be a client's to choose.

mod columns;
mod process;

use std::collections::HashMap;

use gantry_api::container::ContainerTop;

use self::columns::Column;
use self::process::Process;
use crate::Result;
use crate::blocking::block;
use crate::engine::Engine;
use crate::error::Error;

/// Lists the processes of a running container; `arguments` are those of `ps`, `-ef` when empty.
pub async fn top(engine: &Engine, container: &str, arguments: &str) -> Result<ContainerTop> {
    let columns = columns::of(arguments)?;
    let snapshot = engine.snapshot(container)?;
    let id = snapshot.record.id.to_string();
    if snapshot.record.state.is_restarting() {
        return Err(Error::Restarting(id));
    }
    let Some(shim) = snapshot.shim.filter(|_| snapshot.record.state.is_running()) else {
        return Err(Error::NotRunning(id));
    };
    let top = block(move || {
        let pids = shim.pids()?;
        Ok::<_, Error>(table(&columns, &pids))
    })
    .await?;
    super::announce::tell(engine, &snapshot.record, "top");
    Ok(top)
}

fn table(columns: &[(Column, String)], pids: &[u32]) -> ContainerTop {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let host = Host::new(&accounts);
    // One that has ended since is not there any more.
    let mut processes: Vec<Process> = pids.iter().filter_map(|pid| Process::read(*pid)).collect();
    processes.sort_by_key(|process| process.pid);
    let row =
        |process: &Process| columns.iter().map(|(column, _)| column.cell(process, &host)).collect();
    ContainerTop {
        titles: columns.iter().map(|(_, title)| title.clone()).collect(),
        processes: processes.iter().map(row).collect(),
    }
}

/// What the cells of all processes need of the host.
struct Host {
    users: HashMap<u32, String>,
    memory_bytes: u64,
    /// Seconds since 1970.
    now: i64,
    booted_at: i64,
}

impl Host {
    fn new(accounts: &str) -> Self {
        let user = |line: &str| {
            let mut fields = line.split(':');
            let (name, id) = (fields.next()?, fields.nth(1)?);
            Some((id.parse().ok()?, name.to_owned()))
        };
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kilobytes =
            text("/proc/meminfo").split_whitespace().nth(1).and_then(|n| n.parse().ok());
        let stat = text("/proc/stat");
        let booted = stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok());
        Self {
            users: accounts.lines().filter_map(user).collect(),
            memory_bytes: kilobytes.unwrap_or(0_u64) * 1024,
            now: gantry_sys::clock::now().seconds,
            booted_at: booted.unwrap_or(0),
        }
    }

    fn user(&self, id: u32) -> String {
        self.users.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}
