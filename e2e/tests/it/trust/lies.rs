//! Registries that try to get something past a policy: a made one stands before a real one and changes what it says.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gantry_testkit::{MadeRegistry, Reply, Request, http_at};

use super::*;

/// A scene in which the reader sees the publisher's registry through a made one, and trusts one key everywhere.
struct Front {
    scene: Scene,
    made: MadeRegistry,
    reader: Daemon,
    /// What it says instead, if anything.
    lie: Arc<Mutex<Lie>>,
}

type Lie = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

impl Front {
    fn new() -> Self {
        let scene = Scene::new();
        let lie: Arc<Mutex<Lie>> = Arc::new(Mutex::new(Box::new(|_: &Request| None)));
        let (told, real) = (Arc::clone(&lie), scene.registry.address().to_owned());
        let made = MadeRegistry::new(move |request| {
            let instead = (told.lock().unwrap())(request);
            instead.unwrap_or_else(|| honest(&real, request))
        });
        let key = scene.folder.join("ours.pub");
        let reader = daemon_with(
            &scene.folder,
            &json!({ "default": [{ "type": "sigstoreSigned", "keyPath": key }] }),
        );
        reader.start_again();
        Self { scene, made, reader, lie }
    }

    fn lie(&self, lie: impl FnMut(&Request) -> Option<Reply> + Send + 'static) {
        *self.lie.lock().unwrap() = Box::new(lie);
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.made.address())
    }

    /// Publishes `app:tag`; its digest and its manifest.
    fn publish(&self, tag: &str, text: &str) -> (String, Vec<u8>) {
        let digest = self.scene.publish(&format!("app:{tag}"), text);
        let manifest = self.scene.stored_bytes("app", &digest);
        (digest, manifest)
    }

    /// A good signature of `app:1`.
    fn signature(&self, digest: &str) -> (String, Vec<u8>) {
        self.scene.sign("ours", &self.name("app:1"), digest)
    }

    #[track_caller]
    fn refuses(&self, reason: &str) {
        let pull = self.reader.gantry(&["pull", &self.name("app:1")]).run();
        pull.exits(1).complains(reason).plainly();
        assert_eq!(self.reader.ok(&["images", "-q", &self.name("app")]), "");
        assert_eq!(files_below(&self.reader.data_root().join("ingest")), 0);
    }
}

/// What the real registry answers.
fn honest(address: &str, request: &Request) -> Reply {
    let reply = http_at(address, (&request.method, &request.target), ("", &[]));
    let kind = reply.header("content-type").unwrap_or_default().to_owned();
    Reply::new(reply.status, reply.body).with("Content-Type", kind)
}

/// Whether it is cosign's tag that is asked for.
fn asks_for_signatures(request: &Request) -> bool {
    request.target.strip_suffix("sig").is_some_and(|rest| rest.ends_with('.'))
}

fn manifest_reply(bytes: &[u8]) -> Reply {
    let document: Value = serde_json::from_slice(bytes).unwrap();
    Reply::new(200, bytes).with("Content-Type", document["mediaType"].as_str().unwrap())
}

#[test]
fn a_tag_that_moves_while_it_is_judged() {
    for (order, verdict) in [([0, 1], Ok("good")), ([1, 0], Err("no signature by key"))] {
        let front = Front::new();
        let (digest, good) = front.publish("1", "good");
        let (_, evil) = front.publish("2", "evil");
        front.scene.attach("app", &digest, front.signature(&digest));
        let (asked, documents) = (Arc::new(AtomicUsize::new(0)), [good, evil]);
        front.lie(move |request| {
            let is_tag = request.target.ends_with("/manifests/1") && request.method == "GET";
            is_tag.then(|| {
                let turn = asked.fetch_add(1, Ordering::Relaxed).min(1);
                manifest_reply(&documents[order[turn]])
            })
        });
        match verdict {
            Ok(text) => {
                let name = front.name("app:1");
                front.reader.ok(&["pull", &name]);
                assert_eq!(front.reader.ok(&["run", "--rm", "--network", "none", &name]), text);
            }
            Err(reason) => front.refuses(reason),
        }
        assert_eq!(front.made.count("/manifests/1"), 1, "what is judged is what is taken");
    }
}

#[test]
fn another_manifest_than_the_one_with_that_digest() {
    let front = Front::new();
    let (digest, _) = front.publish("1", "good");
    let (_, evil) = front.publish("2", "evil");
    front.scene.attach("app", &digest, front.signature(&digest));
    let claimed = digest.clone();
    front.lie(move |request| {
        let is_image = request.target.ends_with("/manifests/1");
        is_image.then(|| manifest_reply(&evil).with("Docker-Content-Digest", claimed.as_str()))
    });
    front.refuses("has digest sha256:");
}

#[test]
fn referrers_by_the_api() {
    let front = Front::new();
    let (digest, _) = front.publish("1", "good");
    let carrier = front.scene.carrier("app", &[front.signature(&digest)]);
    let size = carrier.to_string().len();
    let carrier = front.scene.registry.put_manifest(("app", "carrier"), &carrier);
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [{
            "mediaType": MANIFEST_TYPE, "digest": carrier, "size": size, "artifactType": ARTIFACT_TYPE,
        }],
    });
    let path = format!("/v2/app/referrers/{digest}?artifactType=");
    front.lie(move |request| {
        let is_list = request.target.starts_with(&path);
        is_list.then(|| Reply::new(200, index.to_string()).with("Content-Type", INDEX_TYPE))
    });
    front.reader.ok(&["pull", &front.name("app:1")]);
    assert_eq!(front.made.count("/referrers/"), 1);
}

#[test]
fn more_signatures_than_anybody_reads() {
    const NUMBERS: Range<usize> = 1000..5000;
    let front = Front::new();
    let (digest, _) = front.publish("1", "good");
    let (good, payload) = front.signature(&digest);
    let mut carrier = front.scene.carrier("app", &[(good, payload)]);
    let layer = carrier["layers"][0].clone();
    let rubbish = |number: usize| {
        let mut layer = layer.clone();
        layer["digest"] = json!(format!("sha256:{}", sha256(number.to_string().as_bytes())));
        layer["annotations"]["dev.cosignproject.cosign/signature"] = json!("AAAA");
        layer["size"] = json!(4);
        layer
    };
    let layers = carrier["layers"].as_array_mut().unwrap();
    layers.extend(NUMBERS.map(rubbish));
    let signatures = carrier.to_string();
    let blobs: HashMap<String, String> = NUMBERS
        .map(|number| number.to_string())
        .map(|number| (format!("/v2/app/blobs/sha256:{}", sha256(number.as_bytes())), number))
        .collect();
    front.lie(move |request| {
        if asks_for_signatures(request) {
            return Some(manifest_reply(signatures.as_bytes()));
        }
        blobs.get(&request.target).map(|number| Reply::new(200, number.as_str()))
    });
    front.refuses("over the limit of 256");
    assert!(front.made.requests().len() < 300, "{}", front.made.requests().len());
}

#[test]
fn payloads_that_never_end_and_signatures_that_are_withheld() {
    let front = Front::new();
    let (digest, _) = front.publish("1", "good");
    front.scene.attach("app", &digest, front.signature(&digest));
    let payload = format!("sha256:{}", sha256(&front.signature(&digest).1));
    front.lie(move |request| {
        request.target.ends_with(&payload).then(|| Reply::new(200, vec![b' '; 9000]).endless())
    });
    front.refuses("fetch the signatures of");
    front.lie(|request| asks_for_signatures(request).then(|| Reply::new(403, "")));
    front.refuses("fetch the signatures of");
    front.lie(|request| asks_for_signatures(request).then(|| Reply::new(200, "<html>")));
    front.refuses("fetch the signatures of");
    front.lie(|_| None);
    front.reader.ok(&["pull", &front.name("app:1")]);
}
