//! The rows of the last list, kept: people and their tools ask all the time, and mostly little has changed since. A row
//! is made anew when its container, the words for its state, an image or a network has become another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use gantry_api::container::ContainerSummary;
use gantry_images::Image;
use gantry_types::Timestamp;

use super::{row, same_until, status};
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
    moment: Moment,
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

/// When containers were looked at.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// [`crate::registry::Registry::changes`], asked before the containers were.
    changes: u64,
    now: Timestamp,
    /// When the first of the states gets other words.
    until: Option<Timestamp>,
}

impl Moment {
    /// Whether all containers, and the words for their states, are still as they were.
    fn lasts(&self, changes: u64, now: Timestamp) -> bool {
        self.changes == changes && self.now <= now && self.until.is_none_or(|until| now < until)
    }
}

/// What is to be told.
pub(super) struct Question {
    all: bool,
    around: Around,
    moment: Moment,
    /// The containers, each with the words for its state.
    each: Vec<(Arc<ContainerRecord>, String)>,
}

impl Around {
    fn new(engine: &Engine, images: Arc<[Image]>) -> Self {
        let networks = engine.networks.list();
        let networks = networks.into_iter().map(|it| (it.id.to_string(), it.name)).collect();
        Self { images, networks }
    }
}

impl Question {
    /// As things are now. It waits for nobody.
    pub(super) fn new(engine: &Engine, all: bool, images: Arc<[Image]>) -> Self {
        let changes = engine.containers.changes();
        let now = gantry_sys::clock::now();
        let records = engine.containers.snapshots().into_iter().map(|snapshot| snapshot.record);
        let mut records: Vec<_> =
            records.filter(|record| all || record.state.is_active()).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.created_at));
        let until = records.iter().filter_map(|record| same_until(record, now)).min();
        let told = |record: Arc<ContainerRecord>| {
            let words = status(&record, now);
            (record, words)
        };
        let each = records.into_iter().map(told).collect();
        let moment = Moment { changes, now, until };
        Self { all, around: Around::new(engine, images), moment, each }
    }
}

impl Rows {
    fn place(&self, all: bool) -> MutexGuard<'_, Option<Told>> {
        self.0[usize::from(all)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, where it is the same as last time and nobody is about to make another. It waits for nobody.
    pub(super) fn known(
        &self,
        engine: &Engine,
        all: bool,
        images: Arc<[Image]>,
    ) -> Option<Summaries> {
        let place = match self.0[usize::from(all)].try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(place)) => place.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let told = place.as_ref()?;
        let lasts = told.moment.lasts(engine.containers.changes(), gantry_sys::clock::now());
        let is_known = lasts && told.around == Around::new(engine, images);
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
                None => Arc::new(row(engine, record, question.moment.now, false, &mut names)?),
            });
        }
        let is_same = told.is_some_and(|told| {
            told.rows.len() == rows.len()
                && told.rows.iter().zip(&rows).all(|(last, row)| Arc::ptr_eq(last, row))
        });
        // The same list lets others know that nothing has changed.
        let rows = match told {
            Some(told) if is_same => Arc::clone(&told.rows),
            _ => Summaries::from(rows),
        };
        let each = question.each.iter();
        let each = each.map(|(record, words)| (Arc::downgrade(record), words.clone())).collect();
        let (around, moment) = (question.around.clone(), question.moment);
        *place = Some(Told { around, moment, each, rows: Arc::clone(&rows) });
        Ok(rows)
    }
}
