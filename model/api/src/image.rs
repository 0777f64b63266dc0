//! Images: lists, inspect, history, removal, and the progress lines of long operations.

mod history;
mod inspect;
mod list;
mod progress;
mod remove;

pub use history::HistoryItem;
pub use inspect::{ImageConfig, ImageInspect, ImageMetadata, RootFs};
pub use list::ImageSummary;
pub use progress::{ErrorDetail, ProgressDetail, ProgressMessage};
pub use remove::DeleteItem;
