//! The decision: every requirement of the image's scope must be fulfilled.

use std::path::Path;

use gantry_types::{Digest, ImageReference};

use crate::bundle;
use crate::cosign::{Attachments, BoxError, Candidate, Form, Place, SignatureSource};
use crate::identity::SignedIdentity;
use crate::payload::Payload;
use crate::policy::{Requirement, Signed};
use crate::refusal::{Refusal, quoted, summary};
use crate::{Error, Result};

/// What a policy asks of one image.
#[derive(Debug)]
pub struct Rules<'a> {
    pub(crate) policy: &'a Path,
    /// The part of the policy that they stand in, for errors.
    pub(crate) scope: String,
    /// The name that was asked for, with a tag or a digest.
    pub(crate) asked: ImageReference,
    pub(crate) requirements: &'a [Requirement],
}

impl Rules<'_> {
    /// Decides. `documents` are the digests on the way from the name to the image: of the index, where there is one, and of
    /// the manifest. A signature of an index holds for all that it lists, for it fixes their digests.
    ///
    /// # Errors
    /// [`Error::Rejected`] and [`Error::NotSigned`] are the policy's; [`Error::Source`] says that signatures could not be
    /// fetched, which is not the same as that there are none.
    pub fn judge(&self, documents: &[Digest], source: &dyn SignatureSource) -> Result<()> {
        let mut attachments = Attachments::new(source);
        for requirement in self.requirements {
            match requirement {
                Requirement::AcceptAnything => {}
                Requirement::Reject => {
                    return Err(Error::Rejected {
                        image: self.image(documents),
                        rule: self.rule(),
                    });
                }
                Requirement::Signed(signed) => {
                    self.judge_signed(signed, documents, &mut attachments)?;
                }
            }
        }
        Ok(())
    }

    fn judge_signed(
        &self,
        signed: &Signed,
        documents: &[Digest],
        attachments: &mut Attachments<'_>,
    ) -> Result<()> {
        let refusals = self.refusals(signed, documents, attachments).map_err(|source| {
            let (image, policy) = (self.image(documents), self.policy.to_owned());
            Error::Source { image, policy, source }
        })?;
        let Some(refusals) = refusals else { return Ok(()) };
        let keys: Vec<String> = signed.keys.iter().map(ToString::to_string).collect();
        Err(Error::NotSigned {
            keys: match keys.as_slice() {
                [one] => format!("key {one}"),
                several => format!("one of the keys {}", several.join(", ")),
            },
            image: self.image(documents),
            rule: self.rule(),
            reason: summary(&refusals),
        })
    }

    /// Nothing when a signature fulfils the requirement, else what is wrong with all that there are.
    fn refusals(
        &self,
        signed: &Signed,
        documents: &[Digest],
        attachments: &mut Attachments<'_>,
    ) -> Result<Option<Vec<Refusal>>, BoxError> {
        let mut refusals = Vec::new();
        for place in Place::ALL {
            for document in documents {
                let found = attachments.at(document, place)?;
                for candidate in &found.candidates {
                    match self.accept(signed, document, candidate) {
                        Ok(()) => return Ok(None),
                        Err(refusal) => refusals.push(refusal),
                    }
                }
                refusals.extend(found.refusals.iter().cloned());
            }
        }
        Ok(Some(refusals))
    }

    /// Whether this signature of `document` fulfils the requirement. Nothing of the payload is read before a key has
    /// vouched for it.
    fn accept(
        &self,
        signed: &Signed,
        document: &Digest,
        candidate: &Candidate,
    ) -> Result<(), Refusal> {
        let Candidate { payload, form, signature } = candidate;
        if *form == Form::Statement {
            return self.accept_statement(signed, document, candidate);
        }
        if !signed.keys.iter().any(|key| key.verifies(payload, signature)) {
            return Err(Refusal::OtherKey);
        }
        let payload = Payload::parse(payload).map_err(|why| Refusal::NoPayload(quoted(&why)))?;
        if payload.digest != *document {
            return Err(Refusal::OtherDigest(payload.digest.to_string()));
        }
        if !signed.identity.matches(&self.asked, &payload.reference) {
            return Err(Refusal::OtherName(quoted(&payload.reference)));
        }
        Ok(())
    }

    /// [`Self::accept`] for a signature in a bundle. Most of them vouch for a digest and for no name.
    fn accept_statement(
        &self,
        signed: &Signed,
        document: &Digest,
        candidate: &Candidate,
    ) -> Result<(), Refusal> {
        let message = bundle::covered(&candidate.payload);
        if !signed.keys.iter().any(|key| key.verifies(&message, &candidate.signature)) {
            return Err(Refusal::OtherKey);
        }
        let subjects =
            bundle::subjects(&candidate.payload).map_err(|why| Refusal::NoPayload(quoted(&why)))?;
        let Some(subject) = subjects.iter().find(|subject| subject.digest == *document) else {
            return Err(Refusal::OtherDigest(subjects[0].digest.to_string()));
        };
        match subject.name.as_str() {
            _ if signed.identity == SignedIdentity::Digest => Ok(()),
            "" => Err(Refusal::NoName),
            name if signed.identity.matches(&self.asked, name) => Ok(()),
            name => Err(Refusal::OtherName(quoted(name))),
        }
    }

    /// Where in the policy the requirements stand.
    fn rule(&self) -> String {
        format!("policy {}, {}", self.policy.display(), self.scope)
    }

    /// The image by where its name led.
    fn image(&self, documents: &[Digest]) -> String {
        match documents.first() {
            Some(digest) => format!("{}@{digest}", self.asked.repository()),
            None => self.asked.to_string(),
        }
    }
}
