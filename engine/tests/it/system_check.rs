//! Checking what is damaged: it tells of the damage, and of the rest.

use std::time::Duration;

use gantry_db::{Db, Table};
use gantry_engine::system::{CheckOptions, check};

use crate::rig::{Rig, soon};

#[test]
fn a_container_whose_record_cannot_be_read_is_told() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (dir, broken) = runtime().block_on(async {
        let rig = Rig::new().await;
        rig.import("app").await;
        let broken = rig.create("broken", "app").await.unwrap();
        rig.create("kept", "app").await.unwrap();
        rig.remove_image("app").await.unwrap();
        (rig.into_dir(), broken)
    });
    {
        let db = Db::open(&dir.path().join("data/meta.db")).unwrap();
        let table: Table<Vec<u8>> = Table::new("containers");
        db.write(|tx| table.put(tx, &broken, &vec![7])).unwrap();
    }
    runtime().block_on(async {
        let rig = Rig::open(dir).await;
        let report = check(&rig.engine, CheckOptions { deep: true }).await.unwrap();
        assert!(report.deep);
        let told: Vec<&str> = report.faults.iter().map(|fault| fault.object.as_str()).collect();
        assert_eq!(told, [format!("container {broken}")]);
    });
}

#[tokio::test]
async fn a_deep_check_that_nobody_waits_for_holds_up_no_other() {
    let rig = Rig::new().await;
    rig.import("app").await;
    let deep = || check(&rig.engine, CheckOptions { deep: true });
    // Both have begun: one works, one waits for its turn.
    let given_up = async { tokio::join!(deep(), deep()) };
    drop(tokio::time::timeout(Duration::ZERO, given_up).await);
    let report = soon("a deep check", deep()).await.unwrap();
    assert!(report.deep && report.faults.is_empty());
}
