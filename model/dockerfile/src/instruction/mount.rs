//! `RUN --mount=type=…,…`.

use gantry_types::{ByteSize, csv};

use crate::Problem;
use crate::error::nearest;

const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: [&str; 3] = ["shared", "private", "locked"];
const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "env",
];

/// What a step sees beside its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Of what sort.
    pub kind: MountKind,
    /// Where it appears; secrets and sockets have a place of their own when this is `None`.
    pub target: Option<String>,
    /// The stage, image or context that the source is in; the build's context by default.
    pub from: Option<String>,
    /// The path in it, or the secret's name.
    pub source: Option<String>,
    /// The name of the cache, secret or socket.
    pub id: Option<String>,
    /// Nothing can be written.
    pub is_read_only: bool,
    /// Without the secret or socket the step fails.
    pub is_required: bool,
    /// What others may do with the same cache meanwhile.
    pub sharing: CacheSharing,
    /// The most bytes of a `tmpfs`.
    pub size_limit: Option<u64>,
    /// Permissions of a secret, a socket, or a new cache.
    pub mode: Option<u32>,
    /// Their owner.
    pub uid: Option<u32>,
    /// Their group.
    pub gid: Option<u32>,
    /// The variable that carries a secret.
    pub env: Option<String>,
}

/// The sort of a [`Mount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    Bind,
    /// A directory that outlives the step and is in no layer.
    Cache,
    /// Memory.
    Tmpfs,
    /// A file or a variable that is in no layer.
    Secret,
    /// The socket of an agent that keeps keys.
    Ssh,
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheSharing {
    /// Everybody.
    #[default]
    Shared,
    /// Everybody, each with one of their own.
    Private,
    /// One after another.
    Locked,
}

/// Why a text is no mount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMount {
    /// Quotes and commas that do not fit.
    #[error("failed to parse csv mounts: {0}")]
    Fields(String),
    /// A word that needs a value.
    #[error("invalid field '{0}' must be a key=value pair")]
    NoValue(String),
    /// A word that is none.
    #[error("unexpected key '{key}' in '{field}'{}", near.map_or_else(String::new, |key| format!(" (did you mean {key}?)")))]
    Key {
        /// The word.
        key: String,
        /// With its value.
        field: String,
        /// The word that may be meant.
        near: Option<&'static str>,
    },
    /// A word that belongs to another kind.
    #[error("unexpected key '{key}' for mount type '{kind}'")]
    Misplaced {
        /// The word.
        key: String,
        /// The kind.
        kind: &'static str,
    },
    /// A kind that is none.
    #[error("unsupported mount type {0:?}")]
    Kind(String),
    /// A way of sharing that is none.
    #[error("unsupported sharing value {0:?}")]
    Sharing(String),
    /// A value that is not of its form.
    #[error("invalid value for {key}: {value}")]
    Value {
        /// Of what.
        key: String,
        /// The value.
        value: String,
    },
    /// `from` decides which stages are built, before any variable has a value.
    #[error("'from' doesn't support variable expansion, define alias stage instead")]
    VariableInFrom,
    /// What is set although the kind has no such thing.
    #[error("{what} not allowed for {kind:?} type mounts")]
    NotAllowed {
        /// What is set.
        what: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// A secret that nothing names.
    #[error("invalid secret mount. one of source, target required")]
    NamelessSecret,
    /// A secret named twice.
    #[error("both source and id can't be set")]
    SourceAndId,
    /// A mount that has no place.
    #[error("a {0} mount needs a target")]
    NoTarget(&'static str),
}

/// Checks what can be checked before variables have values.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    if !text.contains('$') {
        return Mount::parse(text, |value| Ok::<_, Problem>(value.to_owned())).map(drop);
    }
    let fields = csv::fields(text).map_err(InvalidMount::Fields)?;
    let has_variable =
        |field: &String| field.to_lowercase().starts_with("from=") && field.contains('$');
    if fields.iter().any(has_variable) {
        return Err(InvalidMount::VariableInFrom.into());
    }
    Ok(())
}

/// What a mount names by `from`, whatever else it says.
pub(super) fn source_of(text: &str) -> Option<String> {
    let fields = csv::fields(text).ok()?;
    let mut pairs = fields.iter().filter_map(|field| field.split_once('='));
    let named = pairs.rfind(|(key, _)| key.eq_ignore_ascii_case("from"));
    named.map(|(_, value)| value.to_owned()).filter(|value| !value.is_empty())
}

impl Mount {
    /// Reads `type=…,key=value,…`, each value expanded.
    pub fn parse<E: From<Problem>>(
        text: &str,
        expand: impl Fn(&str) -> Result<String, E>,
    ) -> Result<Self, E> {
        let wrong = |error: InvalidMount| E::from(Problem::from(error));
        let fields = csv::fields(text).map_err(|reason| wrong(InvalidMount::Fields(reason)))?;
        let mut pairs = Vec::with_capacity(fields.len());
        for field in &fields {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key, Some(expand(value)?)),
                None => (field.as_str(), None),
            };
            pairs.push((key.to_lowercase(), value, field.as_str()));
        }
        Self::of_fields(&pairs).map_err(wrong)
    }

    fn of_fields(fields: &[(String, Option<String>, &str)]) -> Result<Self, InvalidMount> {
        // The kind first: what other words mean depends on it.
        let kind = fields.iter().rev().find(|(key, ..)| key == "type");
        let kind =
            MountKind::parse(kind.and_then(|(_, value, _)| value.as_deref()).unwrap_or("bind"))?;
        let mut mount = Self::empty(kind);
        let mut read_only = None;
        let mut sharing = None;
        for (key, value, field) in fields {
            let value = match (key.as_str(), value) {
                (_, Some(value)) => value.as_str(),
                ("readonly" | "ro" | "readwrite" | "rw" | "required", None) => "true",
                (_, None) => return Err(InvalidMount::NoValue((*field).to_owned())),
            };
            match key.as_str() {
                "type" => {}
                "readonly" | "ro" => read_only = Some(switch(key, value)?),
                "readwrite" | "rw" => read_only = Some(!switch(key, value)?),
                "sharing" => sharing = Some(CacheSharing::parse(value)?),
                _ => mount.set(key, value, field)?,
            }
        }
        mount.is_read_only =
            read_only.unwrap_or(!matches!(kind, MountKind::Cache | MountKind::Tmpfs));
        if sharing.is_some() && kind != MountKind::Cache {
            return Err(InvalidMount::NotAllowed { what: "sharing", kind: kind.name() });
        }
        mount.sharing = sharing.unwrap_or_default();
        mount.validate()?;
        Ok(mount)
    }

    fn empty(kind: MountKind) -> Self {
        Self {
            kind,
            target: None,
            from: None,
            source: None,
            id: None,
            is_read_only: true,
            is_required: false,
            sharing: CacheSharing::default(),
            size_limit: None,
            mode: None,
            uid: None,
            gid: None,
            env: None,
        }
    }

    fn set(&mut self, key: &str, value: &str, field: &str) -> Result<(), InvalidMount> {
        let kind = self.kind;
        let only_for = |allowed: &[MountKind]| {
            let misplaced = InvalidMount::Misplaced { key: key.to_owned(), kind: kind.name() };
            if allowed.contains(&kind) { Ok(()) } else { Err(misplaced) }
        };
        let number = |radix| u32::from_str_radix(value, radix).map_err(|_| invalid(key, value));
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match key {
            "from" => self.from = text(),
            "source" | "src" => self.source = text(),
            "target" | "dst" | "destination" => self.target = text(),
            "id" => self.id = text(),
            "required" => {
                only_for(&[MountKind::Secret, MountKind::Ssh])?;
                self.is_required = switch(key, value)?;
            }
            "size" => {
                only_for(&[MountKind::Tmpfs])?;
                let size: ByteSize = value.parse().map_err(|_| invalid(key, value))?;
                self.size_limit = Some(size.bytes());
            }
            "env" => {
                only_for(&[MountKind::Secret])?;
                self.env = text();
            }
            "mode" => self.mode = Some(number(8)?),
            "uid" => self.uid = Some(number(10)?),
            "gid" => self.gid = Some(number(10)?),
            _ => {
                let near = nearest(key, KEYS);
                let (key, field) = (key.to_owned(), field.to_owned());
                return Err(InvalidMount::Key { key, field, near });
            }
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), InvalidMount> {
        let kind = self.kind.name();
        if matches!(self.kind, MountKind::Bind | MountKind::Tmpfs) {
            let set = [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)];
            if let Some((what, _)) = set.into_iter().find(|(_, value)| value.is_some()) {
                return Err(InvalidMount::NotAllowed { what, kind });
            }
        }
        if self.kind == MountKind::Secret {
            if self.from.is_some() {
                return Err(InvalidMount::NotAllowed { what: "from", kind });
            }
            let names = [&self.source, &self.target, &self.id, &self.env];
            if names.iter().all(|name| name.is_none()) {
                return Err(InvalidMount::NamelessSecret);
            }
            if self.source.is_some() && self.id.is_some() {
                return Err(InvalidMount::SourceAndId);
            }
        }
        let has_own_place = matches!(self.kind, MountKind::Secret | MountKind::Ssh);
        if self.target.is_none() && !has_own_place {
            return Err(InvalidMount::NoTarget(kind));
        }
        Ok(())
    }
}

impl MountKind {
    fn parse(word: &str) -> Result<Self, InvalidMount> {
        match word.to_lowercase().as_str() {
            "bind" => Ok(Self::Bind),
            "cache" => Ok(Self::Cache),
            "tmpfs" => Ok(Self::Tmpfs),
            "secret" => Ok(Self::Secret),
            "ssh" => Ok(Self::Ssh),
            _ => Err(InvalidMount::Kind(word.to_owned())),
        }
    }

    fn name(self) -> &'static str {
        KINDS[self as usize]
    }
}

impl CacheSharing {
    fn parse(word: &str) -> Result<Self, InvalidMount> {
        let known = [Self::Shared, Self::Private, Self::Locked];
        let index = SHARINGS.iter().position(|name| name.eq_ignore_ascii_case(word));
        index.map(|index| known[index]).ok_or_else(|| InvalidMount::Sharing(word.to_owned()))
    }
}

fn switch(key: &str, value: &str) -> Result<bool, InvalidMount> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(invalid(key, value)),
    }
}

fn invalid(key: &str, value: &str) -> InvalidMount {
    InvalidMount::Value { key: key.to_owned(), value: value.to_owned() }
}
