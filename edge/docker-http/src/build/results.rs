//! The parameters of `POST /build` that say what becomes of what was built: `outputs` as `BuildKit`'s clients write it, and Gantry's
//! own `annotations`, `attestations`, `cacheto`, `reproducible`, `metadata` and `exchange`; `cachefrom` takes more than names.

use gantry_api::build::BuildOutput;
use gantry_engine::build::{
    Annotation, BuildRequest, CacheFrom, CachePlace, CacheTo, Output, OutputForm,
};

use super::start::document;
use crate::error::Error;
use crate::query::Query;

const NO_FOLDER: &str =
    "a local cache needs a client that brings and takes it: build with gantry build";

/// Reads them into the request.
pub(super) fn read(query: &Query, request: &mut BuildRequest) -> Result<(), Error> {
    // Who does not say so would wait for ever, as the build would for him.
    let hands_over = query.flag("exchange");
    for output in document::<Vec<BuildOutput>>(query, "outputs")? {
        let output = Output::read(&output.r#type, &output.attrs)?;
        if !hands_over && !matches!(output.form, OutputForm::Image { .. }) {
            return Err(Error::Invalid(
                "an output that goes to the client needs a client that takes it: build with gantry build".to_owned(),
            ));
        }
        request.outputs.push(output);
    }
    for text in document::<Vec<String>>(query, "annotations")? {
        request.annotations.extend(Annotation::read(&text)?);
    }
    for text in document::<Vec<String>>(query, "cachefrom")? {
        let from = CacheFrom::read(&text)?;
        if from == CacheFrom::Local && !hands_over {
            return Err(Error::Invalid(NO_FOLDER.to_owned()));
        }
        request.cache_from.push(from);
    }
    for text in document::<Vec<String>>(query, "cacheto")? {
        let to = CacheTo::read(&text)?;
        if to.place == CachePlace::Local && !hands_over {
            return Err(Error::Invalid(NO_FOLDER.to_owned()));
        }
        request.cache_to.push(to);
    }
    for text in document::<Vec<String>>(query, "attestations")? {
        request.attestations.add(&text)?;
    }
    request.is_reproducible = query.flag("reproducible");
    request.tells_metadata = query.flag("metadata");
    Ok(())
}
