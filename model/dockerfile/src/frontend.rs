//! `# syntax=`: which language a Dockerfile asks for. The one that is built in is `docker/dockerfile`; others would be programs in
//! images.

/// The version of `docker/dockerfile` that is built in.
pub const VERSION: (u32, u32) = (1, 26);
/// Names of the language that is built in.
const NAMES: [&str; 2] = ["docker/dockerfile", "docker/dockerfile-upstream"];

/// What a syntax directive asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frontend {
    /// What is built in.
    BuiltIn,
    /// A later version of it: what it has that is not built in is refused where it stands.
    Newer {
        /// The version.
        major: u32,
        /// Within it.
        minor: u32,
    },
    /// Another language.
    Other(String),
}

impl Frontend {
    /// Reads an image's name, as the directive has it.
    pub fn parse(text: &str) -> Self {
        let text = text.split_whitespace().next().unwrap_or_default();
        let name = text.split('@').next().unwrap_or_default();
        let name = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"]
            .iter()
            .find_map(|domain| name.strip_prefix(domain))
            .unwrap_or(name);
        let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
        if !NAMES.contains(&name) {
            return Self::Other(text.to_owned());
        }
        // `1`, `1.7`, `1.7.1`, `1.7-labs`, `labs`, `master`.
        let version = tag.split('-').next().unwrap_or_default();
        let mut numbers = version.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), minor) => {
                let minor = minor.and_then(Result::ok).unwrap_or(0);
                if (major, minor) > VERSION { Self::Newer { major, minor } } else { Self::BuiltIn }
            }
            _ => Self::BuiltIn,
        }
    }
}
