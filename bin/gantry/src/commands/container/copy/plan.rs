//! Where things go: by what the source is, and what is at the destination. Docker's rules.

use crate::error::Error;

use super::local;

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// What its archive calls it: the path's last component, `.` for a directory's content.
    pub name: String,
    /// What it is called at the destination when that is a directory; differs from the name after a link was followed.
    pub called: String,
    pub is_dir: bool,
}

/// Where it is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// As the user wrote it, links followed.
    pub path: String,
    /// Whether it is a directory; none when nothing is there.
    pub is_dir: Option<bool>,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// The directory, which is there.
    pub dir: String,
    /// What the archive calls it.
    pub from: String,
    /// What it becomes.
    pub to: String,
}

/// The last component of a path; `.` of one that ends with it, a slash of the root.
pub(super) fn last(path: &str) -> String {
    if path.ends_with("/.") || path == "." {
        return if clean(path) == "/" { "/".to_owned() } else { ".".to_owned() };
    }
    let clean = clean(path);
    match clean.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "/".to_owned(),
    }
}

/// Absolute, without `.`, `..` and repeated slashes.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

impl Destination {
    /// A path of this machine.
    pub(super) fn local(text: &str) -> Result<Self, Error> {
        let path = local::absolute(text);
        let is_dir = path.metadata().ok().map(|found| found.is_dir());
        let parent = path.parent().unwrap_or(&path);
        if is_dir.is_none() && !parent.is_dir() {
            let parent = parent.display();
            return Err(Error::refused(format!(
                "invalid output path: directory \"{parent}\" does not exist"
            )));
        }
        let slash = if text.ends_with('/') { "/" } else { "" };
        Ok(Self { path: format!("{}{slash}", path.display()), is_dir })
    }

    /// Decides.
    pub(super) fn place(&self, source: &Source) -> Result<Placed, Error> {
        // An archive of the root has paths that begin with a slash.
        let from = if source.name == "/" { String::new() } else { source.name.clone() };
        let placed = |dir: String, to: String| Ok(Placed { dir, from: from.clone(), to });
        let clean = clean(&self.path);
        let (parent, name) = clean.rsplit_once('/').unwrap_or(("", &clean));
        let parent = if parent.is_empty() { "/" } else { parent };
        match self.is_dir {
            Some(true) => {
                let to = match source.called.as_str() {
                    "/" => "",
                    // What a followed link leads to is called as the link; content stays content.
                    called if source.name != "." => called,
                    _ => &source.name,
                };
                placed(self.path.clone(), to.to_owned())
            }
            Some(false) if source.is_dir => Err(Error::refused("cannot copy directory")),
            None if !source.is_dir && self.path.ends_with('/') => {
                Err(Error::refused("no such directory"))
            }
            _ => placed(parent.to_owned(), name.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, is_dir: bool) -> Source {
        Source { name: last(path), called: last(path), is_dir }
    }

    fn place(from: (&str, bool), to: (&str, Option<bool>)) -> Result<(String, String), String> {
        let destination = Destination { path: to.0.to_owned(), is_dir: to.1 };
        let placed = destination.place(&source(from.0, from.1));
        placed.map(|one| (one.dir, one.to)).map_err(|error| error.to_string())
    }

    #[test]
    fn dockers_rules() {
        let (file, dir, dot) = (("/a/f", false), ("/a/d", true), ("/a/d/.", true));
        for (from, to, expected) in [
            (file, ("/x", Some(true)), Ok(("/x", "f"))),
            (file, ("/x/g", None), Ok(("/x", "g"))),
            (file, ("/x/g", Some(false)), Ok(("/x", "g"))),
            (file, ("/x/g/", None), Err("no such directory")),
            (dir, ("/x", Some(true)), Ok(("/x", "d"))),
            (dir, ("/x/n", None), Ok(("/x", "n"))),
            (dir, ("/x/n/", None), Ok(("/x", "n"))),
            (dir, ("/x", Some(false)), Err("cannot copy directory")),
            (dot, ("/x", Some(true)), Ok(("/x", "."))),
            (dot, ("/x/n", None), Ok(("/x", "n"))),
            (("/", true), ("/x/n", None), Ok(("/x", "n"))),
            (file, ("/g", None), Ok(("/", "g"))),
        ] {
            let expected = expected
                .map(|(dir, to)| (dir.to_owned(), to.to_owned()))
                .map_err(ToOwned::to_owned);
            assert_eq!(place(from, to), expected, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn last_components() {
        for (path, expected) in [
            ("/a/b", "b"),
            ("/a/b/", "b"),
            ("/a/.", "."),
            (".", "/"),
            ("/", "/"),
            ("a", "a"),
            ("/a/..", "/"),
        ] {
            assert_eq!(last(path), expected, "{path}");
        }
    }
}
