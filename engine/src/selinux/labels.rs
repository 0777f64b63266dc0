//! Which labels a container gets: those that the policy has for containers, changed by `--security-opt label=…`.

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::contexts::Contexts;
use crate::error::Error;

/// The labels of a container, as its record keeps them: the same at each start. Empty ones are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Labels {
    pub process: String,
    /// Of its files: its root, and what is mounted for it alone.
    pub mount: String,
}

impl Labels {
    /// What keeps it apart from other containers; nothing where its processes have no label.
    pub(super) fn level(&self) -> Option<String> {
        let context: Context = self.process.parse().ok()?;
        Some(context.level).filter(|level| !level.is_empty())
    }

    /// The label of files that all containers share.
    pub(super) fn shared(&self) -> Option<String> {
        let mut context: Context = self.mount.parse().ok()?;
        if let Some((sensitivity, _)) = context.level.split_once(':') {
            context.level = sensitivity.to_owned();
        }
        Some(context.to_string())
    }
}

/// `free` finds a level of its own for a container that asks for none, of the sensitivity of the one that it is given.
pub(super) fn choose(
    contexts: &Contexts,
    options: &[&str],
    free: impl FnOnce(&str) -> Option<String>,
) -> Result<Labels, Error> {
    if options.contains(&"disable") {
        return Ok(Labels { process: String::new(), mount: contexts.private().to_string() });
    }
    let Contexts { mut process, mut file, .. } = contexts.clone();
    let mut level = None;
    for option in options {
        let Some((key, value)) = option.split_once(':') else { continue };
        match key {
            "user" => {
                value.clone_into(&mut process.user);
                value.clone_into(&mut file.user);
            }
            "role" => value.clone_into(&mut process.role),
            "type" => value.clone_into(&mut process.kind),
            "filetype" => value.clone_into(&mut file.kind),
            "level" => level = Some(value.to_owned()),
            _ => {}
        }
    }
    // A policy without levels has none to give.
    if level.is_none() && !process.level.is_empty() {
        let none = || {
            Error::invalid(
                "all pairs of categories of SELinux are taken: remove containers that are not needed",
            )
        };
        level = Some(free(&process.level).ok_or_else(none)?);
    }
    if let Some(level) = level {
        level.clone_into(&mut process.level);
        file.level = level;
    }
    Ok(Labels { process: process.to_string(), mount: file.to_string() })
}

/// The options that give another container the label of these processes.
pub(crate) fn of_process(label: &str) -> Vec<String> {
    let Ok(Context { user, role, kind, level }) = label.parse() else { return Vec::new() };
    let parts = [("user", user), ("role", role), ("type", kind), ("level", level)];
    let given = parts.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(key, value)| format!("label={key}:{value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &[&str], process: &str, mount: &str) {
        let text = "process=u:r:container_t:s0\nfile=u:object_r:container_file_t:s0";
        let contexts = Contexts::parse(text).unwrap();
        let labels = choose(&contexts, options, |level| Some(format!("{level}:c3,c4"))).unwrap();
        assert_eq!((&*labels.process, &*labels.mount), (process, mount), "{options:?}");
    }

    #[test]
    fn options_change_what_the_policy_has() {
        let file = "u:object_r:container_file_t:s0:c3,c4";
        check(&[], "u:r:container_t:s0:c3,c4", file);
        check(&["type:other_t", "role:q"], "u:q:other_t:s0:c3,c4", file);
        check(&["filetype:mine_t"], "u:r:container_t:s0:c3,c4", "u:object_r:mine_t:s0:c3,c4");
        check(
            &["level:s0:c9", "user:x"],
            "x:r:container_t:s0:c9",
            "x:object_r:container_file_t:s0:c9",
        );
        check(&["type:other_t", "disable"], "", "u:object_r:container_file_t:s0:c1022,c1023");
    }

    #[test]
    fn a_policy_without_levels_gives_none() {
        let contexts = Contexts::parse("process=u:r:p\nfile=u:o:f").unwrap();
        let labels = choose(&contexts, &[], |_| None).unwrap();
        assert_eq!((&*labels.process, &*labels.mount), ("u:r:p", "u:o:f"));
        assert_eq!((labels.level(), labels.shared().as_deref()), (None, Some("u:o:f")));
    }

    #[test]
    fn all_levels_taken_is_an_error() {
        let contexts = Contexts::parse("process=u:r:p:s0\nfile=u:o:f:s0").unwrap();
        assert!(choose(&contexts, &[], |_| None).unwrap_err().to_string().contains("categories"));
        choose(&contexts, &["level:s0:c1"], |_| None).unwrap();
    }

    #[test]
    fn another_container_s_label_becomes_options() {
        let options = of_process("u:r:container_t:s0:c1,c2");
        assert_eq!(
            options,
            ["label=user:u", "label=role:r", "label=type:container_t", "label=level:s0:c1,c2"]
        );
        assert!(of_process("").is_empty());
        let values: Vec<&str> = options.iter().map(|it| it.split_once('=').unwrap().1).collect();
        check(&values, "u:r:container_t:s0:c1,c2", "u:object_r:container_file_t:s0:c1,c2");
    }

    #[test]
    fn what_is_shared_has_no_categories() {
        let labels = Labels { process: String::new(), mount: "u:o:f:s0:c1,c2".to_owned() };
        assert_eq!(labels.shared().as_deref(), Some("u:o:f:s0"));
        assert_eq!(Labels::default().shared(), None);
    }
}
