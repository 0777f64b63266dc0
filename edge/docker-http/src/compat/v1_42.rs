//! What 1.42 brought: a signal to stop with, a console size from the start, `CreateMountpoint`, refusal of options that
//! belong to another kind of mount, a disk usage by kinds. Its stream type is in [`super::stream_type`].

use gantry_api::container::CreateRequest;
use gantry_api::exec::{ExecCreateRequest, ExecStartRequest};
use gantry_engine::container::StopOptions;
use serde_json::{Value, json};

pub(super) fn create(request: &mut CreateRequest) {
    request.host_config.console_size = [0, 0];
    for mount in &mut request.host_config.mounts {
        if let Some(bind) = &mut mount.bind_options {
            bind.create_mountpoint = false;
        }
        if mount.r#type != "volume" {
            mount.volume_options = None;
        }
        if mount.r#type != "tmpfs" {
            mount.tmpfs_options = None;
        }
    }
}

pub(super) fn stop(options: &mut StopOptions) {
    options.signal = None;
}

pub(super) fn exec_create(request: &mut ExecCreateRequest) {
    request.console_size = None;
}

pub(super) fn exec_start(request: &mut ExecStartRequest) {
    request.console_size = None;
}

/// The build cache had a size of its own, and asking for some kinds only came with this version, too.
pub(super) fn disk_usage(usage: &mut Value) {
    usage["BuilderSize"] = json!(0);
}
