//! What 1.41 brought: a platform to create a container for.

use gantry_engine::container::CreateQuery;

pub(super) fn create(query: &mut CreateQuery) {
    query.platform = None;
}
