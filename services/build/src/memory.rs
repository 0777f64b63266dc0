//! What earlier builds have given, by key.

use std::sync::Arc;

use gantry_db::{Db, Table};
use gantry_types::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::workshop::Layer;

const STEPS: Table<Remembered> = Table::new("build-steps");

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The layers that it lies on, the lowest first.
    pub below: Vec<Layer>,
    /// The layer that it made, if any.
    pub layer: Option<Layer>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was needed last.
    pub used: Timestamp,
    /// How often it was needed again.
    pub uses: u64,
    /// What the step said.
    pub text: String,
}

/// The results of steps. They are kept until somebody prunes them.
#[derive(Debug, Clone)]
pub struct Memory {
    db: Arc<Db>,
}

impl Memory {
    /// Over a database.
    pub fn new(db: Arc<Db>) -> Self {
        Self { db }
    }

    /// The result under a key.
    pub(crate) fn recall(&self, key: &Digest) -> Result<Option<Remembered>> {
        Ok(self.db.read(|tx| STEPS.get(tx, key.as_str()))?)
    }

    /// Notes that a result was needed again.
    pub(crate) fn touch(&self, key: &Digest, now: Timestamp) -> Result<()> {
        self.db.write(|tx| {
            if let Some(mut step) = STEPS.get(tx, key.as_str())? {
                step.used = now;
                step.uses += 1;
                STEPS.put(tx, key.as_str(), &step)?;
            }
            Ok(())
        })
    }

    pub(crate) fn remember(&self, key: &Digest, step: &Remembered) -> Result<()> {
        Ok(self.db.write(|tx| STEPS.put(tx, key.as_str(), step))?)
    }

    /// All results with their keys.
    pub fn list(&self) -> Result<Vec<(String, Remembered)>> {
        Ok(self.db.read(|tx| STEPS.list(tx))?)
    }

    /// Forgets results; the layers that only they needed are the caller's to collect.
    pub fn forget(&self, keys: &[String]) -> Result<()> {
        self.db.write(|tx| keys.iter().try_for_each(|key| STEPS.remove(tx, key).map(drop)))?;
        Ok(())
    }
}
