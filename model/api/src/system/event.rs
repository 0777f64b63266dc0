//! One line of `GET /events`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// Something that happened to an object. Clients before 1.52 know three more fields, which repeat what is here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventMessage {
    /// `container`, `image`, `network`, `volume` or `daemon`.
    #[serde(rename = "Type", deserialize_with = "go::lenient")]
    pub kind: String,
    #[serde(rename = "Action", deserialize_with = "go::lenient")]
    pub action: String,
    #[serde(rename = "Actor", deserialize_with = "go::lenient")]
    pub actor: EventActor,
    /// Always `local` outside of a swarm.
    #[serde(skip_serializing_if = "go::is_zero", deserialize_with = "go::lenient")]
    pub scope: String,
    /// Seconds since 1970.
    #[serde(deserialize_with = "go::lenient")]
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano", deserialize_with = "go::lenient")]
    pub time_nano: i64,
}

/// What an event happened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventActor {
    #[serde(rename = "ID", deserialize_with = "go::lenient")]
    pub id: String,
    #[serde(rename = "Attributes", deserialize_with = "go::lenient")]
    pub attributes: BTreeMap<String, String>,
}
