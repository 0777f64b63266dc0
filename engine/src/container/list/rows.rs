//! The rows of the last list, kept: people and their tools ask all the time, and mostly little has changed since. A row
//! is made anew when its container, the words for its state, an image or a network has become another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use gantry_api::container::ContainerSummary;
use gantry_images::Image;
use gantry_types::Timestamp;

use super::{row, status};
use crate::engine::Engine;
use crate::record::ContainerRecord;
use crate::{Result, image};

/// What lists say of containers, newest first.
pub(super) type Summaries = Arc<[Arc<ContainerSummary>]>;

/// The last list of those that are active, and the last one of all.
#[derive(Debug, Default)]
pub(crate) struct Rows([Mutex<Option<Told>>; 2]);

#[derive(Debug)]
struct Told {
    around: Around,
    each: Vec<(Weak<ContainerRecord>, String)>,
    rows: Summaries,
}

/// What rows tell of besides containers.
#[derive(Debug, Clone)]
struct Around {
    images: Arc<[Image]>,
    /// By id and name.
    networks: Vec<(String, String)>,
}

impl PartialEq for Around {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.images, &other.images) && self.networks == other.networks
    }
}

/// What is to be told.
pub(super) struct Question {
    all: bool,
    around: Around,
    /// The containers, each with the words for its state.
    each: Vec<(Arc<ContainerRecord>, String)>,
    now: Timestamp,
}

impl Question {
    /// As things are now. It waits for nobody.
    pub(super) fn new(engine: &Engine, all: bool, images: Arc<[Image]>) -> Self {
        let now = gantry_sys::clock::now();
        let records = engine.containers.snapshots().into_iter().map(|snapshot| snapshot.record);
        let mut records: Vec<_> =
            records.filter(|record| all || record.state.is_active()).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.created_at));
        let networks = engine.networks.list();
        let networks = networks.into_iter().map(|it| (it.id.to_string(), it.name)).collect();
        let told = |record: Arc<ContainerRecord>| {
            let words = status(&record, now);
            (record, words)
        };
        let each = records.into_iter().map(told).collect();
        Self { all, around: Around { images, networks }, each, now }
    }
}

impl Rows {
    fn place(&self, all: bool) -> std::sync::MutexGuard<'_, Option<Told>> {
        self.0[usize::from(all)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, where it is the same as last time.
    pub(super) fn known(&self, question: &Question) -> Option<Summaries> {
        let place = self.place(question.all);
        let told = place.as_ref().filter(|told| told.around == question.around)?;
        let is_same = |(known, asked): (&(Weak<ContainerRecord>, String), &(_, String))| {
            is_of(&known.0, &asked.0) && known.1 == asked.1
        };
        let is_known = told.each.len() == question.each.len()
            && told.each.iter().zip(&question.each).all(is_same);
        is_known.then(|| Arc::clone(&told.rows))
    }

    /// The answer, with those of the last one's rows that are still right. It may wait for the disk.
    pub(super) fn of(&self, engine: &Engine, question: &Question) -> Result<Summaries> {
        let mut place = self.place(question.all);
        let told = place.as_ref().filter(|told| told.around == question.around);
        // A record that is gone keeps its place in memory: no other has its address.
        let known: HashMap<*const ContainerRecord, usize> = told
            .iter()
            .flat_map(|told| (0..).zip(&told.each).map(|(at, (record, _))| (record.as_ptr(), at)))
            .collect();
        let mut names = image::NameCache::new(engine);
        let mut rows = Vec::with_capacity(question.each.len());
        for (record, words) in &question.each {
            let last = told.and_then(|told| {
                let at = *known.get(&Arc::as_ptr(record))?;
                (told.each[at].1 == *words).then(|| Arc::clone(&told.rows[at]))
            });
            rows.push(match last {
                Some(row) => row,
                None => Arc::new(row(engine, record, question.now, false, &mut names)?),
            });
        }
        let each = question.each.iter();
        let each = each.map(|(record, words)| (Arc::downgrade(record), words.clone())).collect();
        let (around, rows) = (question.around.clone(), Summaries::from(rows));
        *place = Some(Told { around, each, rows: Arc::clone(&rows) });
        Ok(rows)
    }
}

fn is_of(known: &Weak<ContainerRecord>, record: &Arc<ContainerRecord>) -> bool {
    std::ptr::eq(known.as_ptr(), Arc::as_ptr(record))
}
