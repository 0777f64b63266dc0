//! `--attest`, `--sbom` and `--provenance`, as users write them.

use gantry_types::csv;

use crate::Result;
use crate::error::Error;

/// What is to be stated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attestations {
    /// Which packages are in an image.
    pub sbom: bool,
    /// How an image was made, in how much detail.
    pub provenance: Option<Detail>,
}

/// How much is told of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing that a user may not want to publish: no values of arguments, no Dockerfile.
    Min,
    /// The Dockerfile, the arguments and the steps, too.
    Max,
}

impl Attestations {
    /// Adds what `type=…,…` asks for; the last word about a type counts.
    ///
    /// # Errors
    /// It has another form, or asks for what is not made here.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let invalid =
            |reason: &str| Error::invalid(format!("invalid attestation {text:?}: {reason}"));
        let (mut kind, mut is_wanted, mut detail) = (String::new(), true, Detail::Min);
        for field in csv::fields(text).map_err(|reason| invalid(&reason))? {
            let (key, value) = field.split_once('=').unwrap_or(("type", &field));
            match (key, value) {
                ("type", value) => value.clone_into(&mut kind),
                ("disabled", "true" | "false") => is_wanted = value == "false",
                ("mode", "min") => detail = Detail::Min,
                ("mode", "max") => detail = Detail::Max,
                ("version", "v1") => {}
                ("version", _) => return Err(invalid("version=v1 is the one that is made")),
                ("generator", _) => {
                    return Err(invalid(
                        "packages are listed by the builder itself: leave the generator out",
                    ));
                }
                _ => return Err(invalid(&format!("{key}={value} is not known"))),
            }
        }
        match kind.as_str() {
            "sbom" => self.sbom = is_wanted,
            "provenance" => self.provenance = is_wanted.then_some(detail),
            _ => return Err(invalid("the types are sbom and provenance")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attestations_are_asked_for() {
        let read = |texts: &[&str]| {
            let mut asked = Attestations::default();
            texts.iter().try_for_each(|text| asked.add(text)).map(|()| asked)
        };
        let all = read(&["type=sbom", "type=provenance,mode=max"]).unwrap();
        assert_eq!(all, Attestations { sbom: true, provenance: Some(Detail::Max) });
        let none = read(&["type=provenance", "type=provenance,disabled=true"]).unwrap();
        assert_eq!(none, Attestations::default());
        for text in [
            "type=other",
            "type=sbom,generator=x",
            "type=provenance,mode=some",
            "",
            "type=provenance,version=v0.2",
        ] {
            assert!(read(&[text]).is_err(), "{text}");
        }
    }
}
