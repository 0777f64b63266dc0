//! The calls on volumes.

use gantry_api::volume::{Volume, VolumeCreateRequest, VolumeList, VolumeNewName, VolumesPruned};
use gantry_types::Filters;

use crate::Result;
use crate::body::BodyReader;
use crate::client::{Call, Client};
use crate::query::{Query, segment};
use crate::upload::Upload;

const WHAT: &str = "volume name";

impl Client {
    /// Makes a volume, or finds the one of that name.
    pub async fn volume_create(&self, request: &VolumeCreateRequest) -> Result<Volume> {
        self.json(Call::post("/volumes/create").json(request)?).await
    }

    /// Volumes.
    pub async fn volume_list(&self, filters: &Filters) -> Result<VolumeList> {
        let query = Query::default().filters(filters);
        self.json(Call::get(format!("/volumes{}", query.as_str()))).await
    }

    /// Everything about a volume, as the daemon wrote it.
    pub async fn volume_inspect_raw(&self, name: &str) -> Result<String> {
        self.text(Call::get(format!("/volumes/{}", segment(WHAT, name)?))).await
    }

    /// Removes a volume that no container has; by force, one that is not there is as good as removed.
    pub async fn volume_remove(&self, name: &str, force: bool) -> Result<()> {
        let query = Query::default().flag("force", force);
        let path = format!("/volumes/{}{}", segment(WHAT, name)?, query.as_str());
        self.whole(Call::delete(path)).await.map(drop)
    }

    /// Removes the volumes that no container has.
    pub async fn volume_prune(&self, filters: &Filters) -> Result<VolumesPruned> {
        let query = Query::default().filters(filters);
        self.json(Call::post(format!("/volumes/prune{}", query.as_str()))).await
    }

    /// Gives a volume another name.
    pub async fn volume_rename(&self, name: &str, to: &str) -> Result<Volume> {
        let path = format!("/gantry/volumes/{}/rename", segment(WHAT, name)?);
        self.json(Call::post(path).json(&VolumeNewName { name: to.to_owned() })?).await
    }

    /// Makes a volume with the files of another.
    pub async fn volume_clone(&self, name: &str, to: &str) -> Result<Volume> {
        let path = format!("/gantry/volumes/{}/clone", segment(WHAT, name)?);
        self.json(Call::post(path).json(&VolumeNewName { name: to.to_owned() })?).await
    }

    /// A volume's files as an archive.
    pub async fn volume_export(&self, name: &str) -> Result<BodyReader> {
        self.stream(Call::get(format!("/gantry/volumes/{}/export", segment(WHAT, name)?))).await
    }

    /// Makes a volume of an archive, which may be compressed.
    pub async fn volume_import(&self, name: &str, archive: Upload) -> Result<Volume> {
        let path = format!("/gantry/volumes/{}/import", segment(WHAT, name)?);
        self.json(Call::post(path).archive(archive)).await
    }
}
