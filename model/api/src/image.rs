//! Images: lists, inspect, history, removal, and the progress lines of long operations.

mod attestation;
mod distribution;
mod history;
mod inspect;
mod layers;
mod list;
mod manifest;
mod progress;
mod prune;
mod remove;

pub use attestation::AttestationStatement;
pub use distribution::{
    DistributionDocument, DistributionInspect, DistributionPushRequest, DistributionPushed,
    SearchResult,
};
pub use history::HistoryItem;
pub use inspect::{ImageConfig, ImageIdentity, ImageInspect, ImageMetadata, PullIdentity, RootFs};
pub use layers::{ImageLayer, ImageLayers, LayerAmount, LayerFile, LayerFiles};
pub use list::ImageSummary;
pub use manifest::{
    AttestationData, ManifestDescriptor, ManifestImage, ManifestPlatform, ManifestSize,
    ManifestSummary, UnpackedSize,
};
pub use progress::{ErrorDetail, ProgressDetail, ProgressMessage};
pub use prune::ImagesPruned;
pub use remove::DeleteItem;
