//! Checking a store that is damaged: whatever is wrong, the rest is examined.

use std::sync::Arc;

use gantry_db::{Db, Table};
use gantry_images::{Config, Images};

use crate::fixture::{Parts, docker_archive};

#[test]
fn records_that_cannot_be_read_hide_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(&folder.path().join("meta.db")).unwrap());
    let config = Config { root: folder.path().to_owned(), elsewhere: None };
    let images = Images::open(config, Arc::clone(&db)).unwrap();
    let parts = ["web", "other"].map(|name| Parts::new(name, 2));
    let archive = docker_archive(&[(&parts[0], &["web:1"]), (&parts[1], &["other:1"])]);
    for loaded in images.load(&archive[..], |_| {}).unwrap() {
        images.record(&loaded, 1).unwrap();
    }
    assert!(images.check().unwrap().faults.is_empty());
    let chains = images.readable_chains().unwrap();
    assert_eq!((chains.readable.len(), chains.is_all), (2, true));

    let (web, other) = (parts[0].id(), parts[1].id());
    let put = |table: &'static str, key: &str| {
        let table: Table<Vec<u8>> = Table::new(table);
        db.write(|tx| table.put(tx, key, &vec![7])).unwrap();
    };
    put("images", &web);
    put("image-tags", "docker.io/library/broken:1");
    let checked = images.check().unwrap();
    assert_eq!((checked.images, checked.names), (1, 2));
    let told: Vec<String> =
        checked.faults.iter().map(|fault| format!("{}: {}", fault.object, fault.problem)).collect();
    for object in [format!("image {web}"), "name docker.io/library/broken:1".to_owned()] {
        let words = format!("{object}: its record cannot be read: ");
        assert!(told.iter().any(|line| line.starts_with(&words)), "{object}: {told:?}");
    }
    let chains = images.readable_chains().unwrap();
    let ids: Vec<&str> = chains.readable.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((ids, chains.is_all), (vec![other.as_str()], false));
    assert!(images.check_content(|_| true).unwrap().is_empty());
}
