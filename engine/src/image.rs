//! Images: one file per use case. Here the two services meet: blobs and names in one, extracted layers in the other.

mod changes;
mod embed;
mod history;
mod import;
mod inspect;
mod intake;
mod list;
mod load;
mod login;
mod name_cache;
mod pull;
mod push;
mod remove;
mod resolve;
mod save;
mod tag;
mod teller;
mod unpack;

pub(crate) use changes::Changes;
pub(crate) use embed::embed;
pub use history::history;
pub use import::{ImportRequest, import};
pub use inspect::inspect;
pub use list::list;
pub use load::load;
pub use login::login;
pub(crate) use name_cache::NameCache;
pub use pull::{PullRequest, pull, pull_all};
pub use push::{PushRequest, push};
pub use remove::{RemoveOptions, remove};
pub(crate) use resolve::for_container;
pub use save::save;
pub use tag::tag;
