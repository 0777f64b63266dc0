//! Typed tables of string keys and serde values.

use std::marker::PhantomData;

use rusqlite::OptionalExtension;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ReadTx, Result, WriteTx};

/// A named table whose values are `V`, written as JSON. It is a constant, not a resource: nothing
/// happens in the file before the first [`Table::put`]. Keys are ordered by their bytes.
#[derive(Debug)]
pub struct Table<V> {
    name: &'static str,
    value: PhantomData<fn(V) -> V>,
}

impl<V> Clone for Table<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Table<V> {}

impl<V> Table<V> {
    /// The table of that name. Names are unique in a file; start yours with your service's name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// Removes one record; whether it was there.
    pub fn remove(&self, tx: &WriteTx<'_>, key: &str) -> Result<bool> {
        tx.run("remove a record", |connection| {
            connection
                .prepare_cached("DELETE FROM record WHERE tbl = ?1 AND key = ?2")?
                .execute((self.name, key))
                .map(|count| count > 0)
        })
    }

    /// Whether there is a record with that key.
    pub fn contains(&self, tx: &ReadTx<'_>, key: &str) -> Result<bool> {
        tx.run("look for a record", |connection| {
            connection
                .prepare_cached("SELECT 1 FROM record WHERE tbl = ?1 AND key = ?2")?
                .exists((self.name, key))
        })
    }

    /// The number of records.
    pub fn count(&self, tx: &ReadTx<'_>) -> Result<u64> {
        let count: i64 = tx.run("count records", |connection| {
            connection
                .prepare_cached("SELECT count(*) FROM record WHERE tbl = ?1")?
                .query_row([self.name], |row| row.get(0))
        })?;
        Ok(count.unsigned_abs())
    }

    /// The keys that start with `prefix`, in order, at most `limit` of them: enough to tell whether
    /// an abbreviated id is unique (`limit` 2) without reading any value.
    pub fn keys_with_prefix(
        &self,
        tx: &ReadTx<'_>,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<String>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        tx.run("list keys", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key FROM record WHERE tbl = ?1 AND key >= ?2 AND key < ?3
                 ORDER BY key LIMIT ?4",
            )?;
            let bounds = (self.name, prefix, after(prefix), limit);
            let keys = statement.query_map(bounds, |row| row.get(0))?;
            keys.collect()
        })
    }
}

impl<V: Serialize + DeserializeOwned> Table<V> {
    /// Writes one record, in place of one with the same key.
    pub fn put(&self, tx: &WriteTx<'_>, key: &str, value: &V) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|source| Error::Encode {
            table: self.name,
            key: key.to_owned(),
            source,
        })?;
        tx.run("write a record", |connection| {
            connection
                .prepare_cached("REPLACE INTO record (tbl, key, value) VALUES (?1, ?2, ?3)")?
                .execute((self.name, key, text))
                .map(drop)
        })
    }

    /// Reads one record.
    pub fn get(&self, tx: &ReadTx<'_>, key: &str) -> Result<Option<V>> {
        let text: Option<String> = tx.run("read a record", |connection| {
            connection
                .prepare_cached("SELECT value FROM record WHERE tbl = ?1 AND key = ?2")?
                .query_row((self.name, key), |row| row.get(0))
                .optional()
        })?;
        text.map(|text| self.decode(key, &text)).transpose()
    }

    /// All records, ordered by key.
    pub fn list(&self, tx: &ReadTx<'_>) -> Result<Vec<(String, V)>> {
        self.list_prefix(tx, "")
    }

    /// All records whose key starts with `prefix`, ordered by key.
    pub fn list_prefix(&self, tx: &ReadTx<'_>, prefix: &str) -> Result<Vec<(String, V)>> {
        let rows: Vec<(String, String)> = tx.run("list records", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, value FROM record WHERE tbl = ?1 AND key >= ?2 AND key < ?3
                 ORDER BY key",
            )?;
            let bounds = (self.name, prefix, after(prefix));
            let rows = statement.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        rows.into_iter()
            .map(|(key, text)| {
                let value = self.decode(&key, &text)?;
                Ok((key, value))
            })
            .collect()
    }

    fn decode(&self, key: &str, text: &str) -> Result<V> {
        serde_json::from_str(text).map_err(|source| Error::Decode {
            table: self.name,
            key: key.to_owned(),
            source,
        })
    }
}

/// A bound above every key that starts with `prefix`: the last code point is no character, so that
/// no key has it.
fn after(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}

#[cfg(test)]
mod tests;
