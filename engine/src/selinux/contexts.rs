//! The contexts that a policy has for containers, as its file `lxc_contexts` tells them: lines of `name = "context"`.

use super::context::Context;
use super::levels;

/// What containers get that ask for nothing else, but for their categories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contexts {
    pub process: Context,
    pub file: Context,
    /// Of what all containers read and none writes: images.
    pub image: Context,
}

impl Contexts {
    /// The error says what is missing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let given = |wanted: &str| {
            let value = lines(text).filter(|(name, _)| *name == wanted).last();
            value.map(|(_, value)| value.trim_matches('"').parse::<Context>()).transpose()
        };
        let of = |wanted: &str| given(wanted)?.ok_or(format!("{wanted} is missing"));
        let (process, file) = (of("process")?, of("file")?);
        Ok(Self { process, image: given("ro_file")?.unwrap_or_else(|| file.clone()), file })
    }

    /// The label of files of containers whose processes have none: one that no labelled process may touch.
    pub(super) fn private(&self) -> Context {
        let level =
            if self.file.level.is_empty() { String::new() } else { levels::last(&self.file.level) };
        Context { level, ..self.file.clone() }
    }
}

/// Which policy `/etc/selinux/config` says that the host has.
pub(super) fn policy(config: &str) -> Option<&str> {
    let (_, name) = lines(config).filter(|(name, _)| *name == "SELINUXTYPE").last()?;
    // It is a folder's name.
    Some(name.trim_matches('"'))
        .filter(|name| !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.'))
}

/// Names and values, without comments.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_policies_have_it() {
        let text = "# x\n\nprocess = \"system_u:system_r:container_t:s0\"\n;file = \"a:b:c\"\n\
                    content = \"system_u:object_r:v:s0\"\n  file=\"system_u:object_r:container_file_t:s0\"\n";
        let contexts = Contexts::parse(text).unwrap();
        assert_eq!(contexts.process.to_string(), "system_u:system_r:container_t:s0");
        let private = contexts.private().to_string();
        assert_eq!(private, "system_u:object_r:container_file_t:s0:c1022,c1023");
        let flat = Contexts::parse("process=u:r:p\nfile=u:r:f").unwrap();
        assert_eq!((flat.private().to_string(), flat.image), ("u:r:f".to_owned(), flat.file));
        let with_images = Contexts::parse("process=u:r:p\nfile=u:r:f\nro_file=u:r:i").unwrap();
        assert_eq!(with_images.image.kind, "i");
        assert_eq!(Contexts::parse("process=u:r:p").unwrap_err(), "file is missing");
        assert!(Contexts::parse("process=u\nfile=u:r:f").unwrap_err().contains("no context"));
    }

    #[test]
    fn the_policy_is_a_folder() {
        assert_eq!(
            policy("SELINUX=enforcing\n#SELINUXTYPE=a\nSELINUXTYPE=targeted\n"),
            Some("targeted")
        );
        for config in ["", "SELINUXTYPE=", "SELINUXTYPE=../x", "SELINUXTYPE=.."] {
            assert_eq!(policy(config), None, "{config}");
        }
    }
}
