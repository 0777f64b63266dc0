//! What changes is made anew, what does not stays; services are built.

use std::fs;

use super::{Project, with_each};

fn web_and_db(shop: &Project) -> (String, String) {
    (shop.ids("web").remove(0), shop.ids("db").remove(0))
}

#[test]
fn only_what_has_changed_is_made_anew() {
    with_each(|shop| {
        shop.ok(&["up", "-d", "--wait"]);
        let (web, db) = web_and_db(shop);
        shop.ok(&["up", "-d", "--wait"]);
        assert_eq!(web_and_db(shop), (web.clone(), db.clone()), "nothing has changed");
        shop.invocation(&["up", "-d", "--wait"]).env("WORD", "second").run().success();
        let (other, same) = web_and_db(shop);
        assert!(other != web && same == db, "only the web server has another environment");
        assert!(shop.ok(&["logs", "--no-log-prefix", "web"]).contains("serving second"));
        // Not every version of Compose looks at the bytes of a config; made anew, a container has the newest.
        let up = shop.invocation(&["up", "-d", "--wait", "--force-recreate", "--no-deps", "web"]);
        up.env("WORD", "second").env("COLOUR", "blue").run().success();
        assert_eq!(shop.page("settings"), "colour=blue\n");
        assert_ne!(web_and_db(shop).0, other);
        // Whoever asks gets everything anew; anonymous volumes and names stay with the service.
        shop.ok(&["up", "-d", "--wait", "--force-recreate", "--no-deps", "db"]);
        assert_ne!(web_and_db(shop).1, db);
        assert_eq!(shop.ok(&["exec", "-T", "db", "cat", "/data/schema"]), "migrated");
        fs::write(shop.folder.join("other.yaml"), APPLICATION_WITHOUT_WEB).unwrap();
        shop.ok(&["-f", "other.yaml", "up", "-d", "--remove-orphans"]);
        assert_eq!(shop.daemon.http("GET", "/containers/shop-web-1/json", &[]).status, 404);
        shop.ok(&["-f", "other.yaml", "down", "-v", "--timeout", "1"]);
        shop.ok(&["down", "-v", "--timeout", "1"]);
        shop.is_gone();
    });
}

const APPLICATION_WITHOUT_WEB: &str = "
name: shop
services:
  db: {image: busybox, init: true, command: [sleep, '1000'], volumes: ['data:/data']}
volumes: {data: {labels: {kept: 'yes'}}}
";

const BUILT: &str = "
name: shop
services:
  app:
    build: {context: ./app, args: {WORD: built}, target: last, labels: {own: label}}
    image: shop-app:1
    init: true
";

#[test]
fn a_service_is_built() {
    with_each(|shop| {
        let app = shop.folder.join("app");
        fs::create_dir(&app).unwrap();
        let dockerfile = "FROM busybox AS first\nARG WORD\nRUN echo $WORD > /word\nFROM first AS last\nCOPY file /\n\
                          CMD cat /word /file; sleep 1000\n";
        fs::write(app.join("Dockerfile"), dockerfile).unwrap();
        fs::write(app.join("file"), "copied\n").unwrap();
        fs::write(shop.folder.join("compose.yaml"), BUILT).unwrap();
        let classic = |words: &[&str]| shop.invocation(words).env("DOCKER_BUILDKIT", "0").run();
        classic(&["build"]).success();
        classic(&["up", "-d", "--build"]).success();
        let labels = shop.daemon.inspect("shop-app-1")["Config"]["Labels"].clone();
        assert_eq!(labels["own"], "label");
        gantry_testkit::poll("its words", || {
            let logs = shop.ok(&["logs", "--no-log-prefix", "app"]);
            (logs == "built\ncopied").then_some(())
        });
        assert!(shop.ok(&["images"]).contains("shop-app"));
        classic(&["down", "-v", "--timeout", "1", "--rmi", "all"]).success();
        assert_eq!(shop.daemon.http("GET", "/images/shop-app:1/json", &[]).status, 404);
        shop.is_gone();
    });
}
