//! The calls on further processes in running containers.

use gantry_api::exec::{ExecCreateRequest, ExecCreateResponse, ExecInspect, ExecStartRequest};

use crate::Result;
use crate::client::{Call, Client};
use crate::container::TerminalSize;
use crate::hijack::Hijacked;
use crate::query::segment;

impl Client {
    /// Prepares a process in a running container.
    pub async fn exec_create(
        &self,
        container: &str,
        request: &ExecCreateRequest,
    ) -> Result<ExecCreateResponse> {
        let path = format!("/containers/{}/exec", segment("container name", container)?);
        self.json(Call::post(path).json(request)?).await
    }

    /// Starts a prepared process and leaves it alone.
    pub async fn exec_start_detached(&self, id: &str, request: &ExecStartRequest) -> Result<()> {
        self.whole(Call::post(path(id, "start")?).json(request)?).await.map(drop)
    }

    /// Starts a prepared process and connects to its streams.
    pub async fn exec_start(&self, id: &str, request: &ExecStartRequest) -> Result<Hijacked> {
        self.hijack(Call::post(path(id, "start")?).json(request)?).await
    }

    /// What there is to know of the process; its exit code is final when its streams have ended.
    pub async fn exec_inspect(&self, id: &str) -> Result<ExecInspect> {
        self.json(Call::get(path(id, "json")?)).await
    }

    /// Sets the size of the process's terminal.
    pub async fn exec_resize(&self, id: &str, size: TerminalSize) -> Result<()> {
        let path = path(id, "resize")? + size.query().as_str();
        self.whole(Call::post(path)).await.map(drop)
    }
}

fn path(id: &str, verb: &str) -> Result<String> {
    Ok(format!("/exec/{}/{verb}", segment("exec id", id)?))
}
