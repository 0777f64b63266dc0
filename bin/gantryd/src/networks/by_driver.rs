//! Options by driver: `DRIVER=OPTION=VALUE` as flags, an object of objects in the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pairs::Pair;

/// As the command line gives them.
type Pairs = Vec<Pair<Pair<String>>>;
type Options = BTreeMap<String, BTreeMap<String, String>>;

/// All of them; of two with the same name the later.
pub(super) fn map(pairs: Option<Pairs>) -> Options {
    let mut options = Options::new();
    for Pair { name, value } in pairs.into_iter().flatten() {
        options.entry(name).or_default().insert(value.name, value.value);
    }
    options
}

#[expect(clippy::ref_option, reason = "serde asks for it in this form")]
pub(super) fn serialize<S: Serializer>(
    pairs: &Option<Pairs>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    pairs.as_ref().map(|pairs| map(Some(pairs.clone()))).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Pairs>, D::Error> {
    let options: Option<Options> = Deserialize::deserialize(deserializer)?;
    let pairs = |(driver, options): (String, BTreeMap<String, String>)| {
        options
            .into_iter()
            .map(move |(name, value)| Pair { name: driver.clone(), value: Pair { name, value } })
    };
    Ok(options.map(|options| options.into_iter().flat_map(pairs).collect()))
}
