//! What the probe saw inside the container.

use serde_json::Value;

/// The probe's report.
pub(crate) struct Seen(Value);

/// A line of the container's mount table.
#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) place: String,
    pub(crate) kind: String,
    pub(crate) source: String,
    /// Of the mount: `ro`, `nosuid`, …
    pub(crate) options: Vec<String>,
    /// Of the file system.
    pub(crate) super_options: Vec<String>,
    /// `shared:1`, `master:2`, `unbindable`.
    pub(crate) propagation: Vec<String>,
}

impl Mount {
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|known| known == option)
    }

    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let [_, _, _, _, place, options, propagation @ ..] = &left[..] else { return None };
        let mut right = right.split(' ');
        let words = |text: &str| text.split(',').map(str::to_owned).collect();
        Some(Self {
            place: (*place).to_owned(),
            kind: right.next()?.to_owned(),
            source: right.next()?.to_owned(),
            options: words(options),
            super_options: right.next().map(words).unwrap_or_default(),
            propagation: propagation.iter().map(|word| (*word).to_owned()).collect(),
        })
    }
}

impl Seen {
    pub(crate) fn parse(text: &str) -> Self {
        let value = serde_json::from_str(text);
        Self(value.unwrap_or_else(|error| panic!("the probe's report: {error}: {text}")))
    }

    /// A field by its JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("the probe saw no {pointer}: {}", self.0))
    }

    /// A field that is a text.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("{pointer} is no text"))
    }

    /// A field of /proc/self/status.
    pub(crate) fn status(&self, name: &str) -> &str {
        self.text(&format!("/status/{name}"))
    }

    /// A capability set as a bit mask.
    pub(crate) fn capabilities(&self, set: &str) -> u64 {
        u64::from_str_radix(self.status(set), 16).expect("a capability set is hexadecimal")
    }

    /// The link of a namespace.
    pub(crate) fn namespace(&self, kind: &str) -> &str {
        self.text(&format!("/namespaces/{kind}"))
    }

    /// The whole mount table.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        self.text("/mountinfo").lines().filter_map(Mount::parse).collect()
    }

    /// The topmost mount at a place.
    pub(crate) fn mount(&self, place: &str) -> Mount {
        let found = self.mounts().into_iter().rfind(|mount| mount.place == place);
        found
            .unwrap_or_else(|| panic!("nothing is mounted at {place}: {}", self.text("/mountinfo")))
    }
}
