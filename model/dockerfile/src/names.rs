//! The images that a Dockerfile names, as far as that can be told before anything is built.

use std::collections::BTreeMap;

use crate::instruction::{Argument, Instruction};
use crate::{Dockerfile, Expander, Stage};

type Values = BTreeMap<String, String>;

impl Dockerfile {
    /// All that stands where an image's name may: after `FROM`, with the values of arguments, which are `given` or defaults, and after
    /// `from=`. Names of stages are among it; what cannot be expanded is not.
    pub fn image_names(&self, given: &BTreeMap<String, String>) -> Vec<String> {
        let values = self.values_above(given);
        let of_stage = |stage: &Stage| {
            let sources = stage.steps.iter().flat_map(|step| step.instruction.sources());
            self.expand(&stage.from.base, &values).into_iter().chain(sources).collect::<Vec<_>>()
        };
        self.stages.iter().flat_map(of_stage).collect()
    }

    /// What the `ARG`s above the first `FROM` are.
    fn values_above(&self, given: &Values) -> Values {
        let mut values = Values::new();
        for step in &self.arguments {
            let Instruction::Arg(arguments) = &step.instruction else { continue };
            for Argument { name, default } in arguments {
                let default = default.as_ref().and_then(|text| self.expand(text, &values));
                let value = given.get(name).cloned().or(default);
                values.extend(value.map(|value| (name.clone(), value)));
            }
        }
        values
    }

    fn expand(&self, text: &str, values: &Values) -> Option<String> {
        Expander::new(self.escape, values).word(text).ok().map(|word| word.text)
    }
}
