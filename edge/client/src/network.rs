//! The calls on networks.

use gantry_api::network::{
    NetworkConnect, NetworkCreateRequest, NetworkCreated, NetworkDisconnect, NetworkInspect,
    NetworksPruned,
};
use gantry_types::Filters;

use crate::Result;
use crate::client::{Call, Client};
use crate::query::{Query, segment};

impl Client {
    /// Makes a network.
    pub async fn network_create(&self, request: &NetworkCreateRequest) -> Result<NetworkCreated> {
        self.json(Call::post("/networks/create").json(request)?).await
    }

    /// Networks, without their containers.
    pub async fn network_list(&self, filters: &Filters) -> Result<Vec<NetworkInspect>> {
        let query = Query::default().filters(filters);
        self.json(Call::get(format!("/networks{}", query.as_str()))).await
    }

    /// Everything about a network, as the daemon wrote it.
    pub async fn network_inspect_raw(&self, name: &str) -> Result<String> {
        self.text(Call::get(format!("/networks/{}", segment("network name", name)?))).await
    }

    /// Connects a container to a network.
    pub async fn network_connect(&self, name: &str, request: &NetworkConnect) -> Result<()> {
        let path = format!("/networks/{}/connect", segment("network name", name)?);
        self.whole(Call::post(path).json(request)?).await.map(drop)
    }

    /// Disconnects a container from a network.
    pub async fn network_disconnect(&self, name: &str, request: &NetworkDisconnect) -> Result<()> {
        let path = format!("/networks/{}/disconnect", segment("network name", name)?);
        self.whole(Call::post(path).json(request)?).await.map(drop)
    }

    /// Removes a network.
    pub async fn network_remove(&self, name: &str) -> Result<()> {
        let path = format!("/networks/{}", segment("network name", name)?);
        self.whole(Call::delete(path)).await.map(drop)
    }

    /// Removes the networks that no container is in.
    pub async fn network_prune(&self, filters: &Filters) -> Result<NetworksPruned> {
        let query = Query::default().filters(filters);
        self.json(Call::post(format!("/networks/prune{}", query.as_str()))).await
    }
}
