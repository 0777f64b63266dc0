//! The calls on containers.

use gantry_api::container::{
    CommitResponse, ContainerInspect, ContainerStats, ContainerSummary, ContainerTop,
    ContainersPruned, CreateRequest, CreateResponse, FileChange, HostConfig, UpdateResponse,
    WaitResponse,
};
use gantry_types::Filters;

use crate::Result;
use crate::body::{BodyReader, JsonLines};
use crate::client::{Call, Client};
use crate::hijack::Hijacked;
use crate::query::{Query, segment};

/// Which containers a list holds.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Those that do not run too.
    pub all: bool,
    /// At most so many, the newest first.
    pub limit: Option<u32>,
    /// Sizes of the writable layers too.
    pub size: bool,
    pub filters: Filters,
}

/// Which streams to attach to, and from when on.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the call has as many flags")]
pub struct AttachQuery {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// What was written before too.
    pub logs: bool,
    /// The keys that detach; empty means the daemon's.
    pub detach_keys: String,
}

/// Which lines of a log.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the call has as many flags")]
pub struct LogsQuery {
    pub follow: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub timestamps: bool,
    pub details: bool,
    /// Seconds since 1970 with decimals, or RFC 3339.
    pub since: Option<String>,
    pub until: Option<String>,
    /// A number of lines, or `all`.
    pub tail: Option<String>,
}

/// How a container is stopped or restarted.
#[derive(Debug, Clone, Default)]
pub struct StopQuery {
    pub signal: Option<String>,
    /// Seconds; negative waits for ever.
    pub timeout_s: Option<i64>,
}

/// What goes along with a container that is removed.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveQuery {
    /// Kill it first.
    pub force: bool,
    /// Its anonymous volumes.
    pub volumes: bool,
    /// The link of that name, and nothing else.
    pub link: bool,
}

/// What the image of a container is called and says.
#[derive(Debug, Clone, Default)]
pub struct CommitQuery {
    /// The name without a tag; empty leaves the image unnamed.
    pub repository: String,
    pub tag: String,
    pub author: String,
    pub message: String,
    /// Freeze the container meanwhile.
    pub pause: bool,
    /// Instructions as a Dockerfile has them: `CMD ["sh"]`.
    pub changes: Vec<String>,
}

/// What a wait waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCondition {
    NotRunning,
    NextExit,
    Removed,
}

impl WaitCondition {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "not-running",
            Self::NextExit => "next-exit",
            Self::Removed => "removed",
        }
    }
}

/// A wait that the daemon has taken note of.
#[derive(Debug)]
pub struct PendingWait(BodyReader);

impl PendingWait {
    /// Completes when the condition holds.
    pub async fn result(self) -> Result<WaitResponse> {
        self.0.json().await
    }
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

impl TerminalSize {
    pub(crate) fn query(self) -> Query {
        Query::default().maybe("h", Some(self.rows)).maybe("w", Some(self.columns))
    }
}

impl Client {
    /// Makes a container. An empty `name` lets the daemon choose one.
    pub async fn container_create(
        &self,
        name: &str,
        platform: &str,
        request: &CreateRequest,
    ) -> Result<CreateResponse> {
        let query = Query::default().text("name", name).text("platform", platform);
        self.json(Call::post(format!("/containers/create{}", query.as_str())).json(request)?).await
    }

    /// Starts a container; one that runs already is left alone.
    pub async fn container_start(&self, id: &str, detach_keys: &str) -> Result<()> {
        self.act(id, "start", &Query::default().text("detachKeys", detach_keys)).await
    }

    /// Stops a container; one that does not run is left alone.
    pub async fn container_stop(&self, id: &str, options: &StopQuery) -> Result<()> {
        self.act(id, "stop", &stop_query(options)).await
    }

    /// Stops a container if it runs, and starts it.
    pub async fn container_restart(&self, id: &str, options: &StopQuery) -> Result<()> {
        self.act(id, "restart", &stop_query(options)).await
    }

    /// Sends a signal, by name or number; an empty one is `KILL`.
    pub async fn container_kill(&self, id: &str, signal: &str) -> Result<()> {
        self.act(id, "kill", &Query::default().text("signal", signal)).await
    }

    /// Lets a container's processes stand still.
    pub async fn container_pause(&self, id: &str) -> Result<()> {
        self.act(id, "pause", &Query::default()).await
    }

    /// Lets a container's processes go on.
    pub async fn container_unpause(&self, id: &str) -> Result<()> {
        self.act(id, "unpause", &Query::default()).await
    }

    /// Changes a container's limits and restart policy: what is not zero or empty.
    pub async fn container_update(&self, id: &str, change: &HostConfig) -> Result<UpdateResponse> {
        self.json(Call::post(path(id, "update", &Query::default())?).json(change)?).await
    }

    /// A container's processes, in the columns that the arguments of `ps` ask for.
    pub async fn container_top(&self, id: &str, ps_args: &str) -> Result<ContainerTop> {
        self.json(Call::get(path(id, "top", &Query::default().text("ps_args", ps_args))?)).await
    }

    /// What a container uses: one sample, or one every second.
    pub async fn container_stats(
        &self,
        id: &str,
        stream: bool,
    ) -> Result<JsonLines<ContainerStats>> {
        let query = Query::default().text("stream", if stream { "1" } else { "0" });
        Ok(self.stream(Call::get(path(id, "stats", &query)?)).await?.json_lines())
    }

    /// Gives a container another name.
    pub async fn container_rename(&self, id: &str, name: &str) -> Result<()> {
        self.act(id, "rename", &Query::default().text("name", name)).await
    }

    /// Sets the size of a container's terminal.
    pub async fn container_resize(&self, id: &str, size: TerminalSize) -> Result<()> {
        self.act(id, "resize", &size.query()).await
    }

    /// Removes a container.
    pub async fn container_remove(&self, id: &str, options: RemoveQuery) -> Result<()> {
        let query = Query::default()
            .flag("force", options.force)
            .flag("link", options.link)
            .flag("v", options.volumes);
        let path = format!("/containers/{}{}", segment("container name", id)?, query.as_str());
        self.whole(Call::delete(path)).await.map(drop)
    }

    /// The containers that `options` ask for.
    pub async fn container_list(&self, options: &ListQuery) -> Result<Vec<ContainerSummary>> {
        let query = Query::default()
            .flag("all", options.all)
            .maybe("limit", options.limit)
            .flag("size", options.size)
            .filters(&options.filters);
        self.json(Call::get(format!("/containers/json{}", query.as_str()))).await
    }

    /// Everything about one container.
    pub async fn container_inspect(&self, id: &str) -> Result<ContainerInspect> {
        self.json(Call::get(path(id, "json", &Query::default())?)).await
    }

    /// The same as [`Self::container_inspect`], as the daemon wrote it; `size` adds sizes, which takes longer.
    pub async fn container_inspect_raw(&self, id: &str, size: bool) -> Result<String> {
        self.text(Call::get(path(id, "json", &Query::default().flag("size", size))?)).await
    }

    /// Connects to a container's streams, before or after it is started.
    pub async fn container_attach(&self, id: &str, options: &AttachQuery) -> Result<Hijacked> {
        let query = Query::default()
            .flag("stream", true)
            .flag("stdin", options.stdin)
            .flag("stdout", options.stdout)
            .flag("stderr", options.stderr)
            .flag("logs", options.logs)
            .text("detachKeys", &options.detach_keys);
        self.hijack(Call::post(path(id, "attach", &query)?)).await
    }

    /// A container's log: frames, or raw bytes with a terminal.
    pub async fn container_logs(&self, id: &str, options: &LogsQuery) -> Result<BodyReader> {
        let query = Query::default()
            .flag("follow", options.follow)
            .flag("stdout", options.stdout)
            .flag("stderr", options.stderr)
            .flag("timestamps", options.timestamps)
            .flag("details", options.details)
            .maybe("since", options.since.as_deref())
            .maybe("until", options.until.as_deref())
            .maybe("tail", options.tail.as_deref());
        self.stream(Call::get(path(id, "logs", &query)?)).await
    }

    /// Begins to wait; returns when the daemon has taken note, so that whatever happens next counts.
    pub async fn container_wait(&self, id: &str, condition: WaitCondition) -> Result<PendingWait> {
        let query = Query::default().text("condition", condition.as_str());
        self.stream(Call::post(path(id, "wait", &query)?)).await.map(PendingWait)
    }

    /// Makes an image of a container.
    pub async fn container_commit(
        &self,
        id: &str,
        options: &CommitQuery,
    ) -> Result<CommitResponse> {
        let mut query = Query::default()
            .text("container", id)
            .text("repo", &options.repository)
            .text("tag", &options.tag)
            .text("comment", &options.message)
            .text("author", &options.author)
            .text("pause", if options.pause { "1" } else { "0" });
        for change in &options.changes {
            query = query.text("changes", change);
        }
        self.json(Call::post(format!("/commit{}", query.as_str())).json(&())?).await
    }

    /// Removes all containers that do not run and fit.
    pub async fn container_prune(&self, filters: &Filters) -> Result<ContainersPruned> {
        let query = Query::default().filters(filters);
        self.json(Call::post(format!("/containers/prune{}", query.as_str()))).await
    }

    /// The files that a container changed, in the order of paths.
    pub async fn container_diff(&self, id: &str) -> Result<Vec<FileChange>> {
        let changes: Option<_> =
            self.json(Call::get(path(id, "changes", &Query::default())?)).await?;
        Ok(changes.unwrap_or_default())
    }

    /// An archive of all files of a container.
    pub async fn container_export(&self, id: &str) -> Result<BodyReader> {
        self.stream(Call::get(path(id, "export", &Query::default())?)).await
    }

    async fn act(&self, id: &str, verb: &str, query: &Query) -> Result<()> {
        self.whole(Call::post(path(id, verb, query)?)).await.map(drop)
    }
}

fn path(id: &str, verb: &str, query: &Query) -> Result<String> {
    Ok(format!("/containers/{}/{verb}{}", segment("container name", id)?, query.as_str()))
}

fn stop_query(options: &StopQuery) -> Query {
    Query::default().maybe("signal", options.signal.as_deref()).maybe("t", options.timeout_s)
}
