//! The router, by example.

use super::*;

fn serves(method: &Method, path: &str, endpoint: Endpoint, name: &str) {
    let found = find(method, path).unwrap_or_else(|| panic!("nothing serves {method} {path}"));
    assert_eq!(
        (found.route.target, found.name.as_str()),
        (Target::Serve(endpoint), name),
        "{path}"
    );
}

#[test]
fn names_of_images_have_slashes() {
    serves(&Method::GET, "/images/json", Endpoint::ImageList, "");
    serves(&Method::GET, "/images/a/json", Endpoint::ImageInspect, "a");
    serves(&Method::GET, "/images/r.io:5000/b/c:1/json", Endpoint::ImageInspect, "r.io:5000/b/c:1");
    serves(&Method::GET, "/images/json/json", Endpoint::ImageInspect, "json");
    serves(&Method::DELETE, "/images/r.io/b@sha256:1", Endpoint::ImageRemove, "r.io/b@sha256:1");
    serves(&Method::POST, "/images/a/b/tag", Endpoint::ImageTag, "a/b");
    serves(&Method::POST, "/images/create", Endpoint::ImageCreate, "");
    serves(&Method::GET, "/gantry/images/a/b:1/layers", Endpoint::ImageLayers, "a/b:1");
    serves(&Method::GET, "/gantry/images/a/files", Endpoint::ImageLayerFiles, "a");
}

#[test]
fn containers_and_execs() {
    serves(&Method::GET, "/containers/json", Endpoint::ContainerList, "");
    serves(&Method::GET, "/containers//web/json", Endpoint::ContainerInspect, "web");
    serves(&Method::GET, "/containers/a/b/json", Endpoint::ContainerInspect, "a/b");
    serves(&Method::POST, "/containers/web/wait", Endpoint::ContainerWait, "web");
    serves(&Method::DELETE, "/containers/web", Endpoint::ContainerRemove, "web");
    serves(&Method::POST, "/exec/0a/start", Endpoint::ExecStart, "0a");
    serves(&Method::HEAD, "/_ping", Endpoint::SystemPing, "");
}

#[test]
fn what_nothing_serves() {
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/nothing"),
        (Method::GET, "/containers/create"),
        (Method::PUT, "/containers/json"),
        (Method::GET, "/containers//start"),
        (Method::GET, "/info/"),
        (Method::POST, "/images//tag"),
    ] {
        let found = find(&method, path);
        assert!(found.is_none(), "{method} {path}: {found:?}");
    }
}

#[test]
fn the_rest_of_docker_is_known() {
    let target = |method, path| find(&method, path).map(|found| found.route.target);
    assert!(matches!(target(Method::PUT, "/volumes/data"), Some(Target::NotYet(_))));
    assert!(matches!(target(Method::GET, "/volumes/data"), Some(Target::Serve(_))));
    assert!(matches!(target(Method::GET, "/services"), Some(Target::NoSwarm(_))));
    assert!(matches!(target(Method::GET, "/containers/a/attach/ws"), Some(Target::Serve(_))));
}

#[test]
fn every_route_can_be_reached() {
    for route in table::ROUTES {
        let path = route.pattern.replace("{name}", "x");
        let found = find(&route.method, &path).unwrap();
        assert_eq!(found.route, route, "{} {} is hidden by another", route.method, route.pattern);
        assert!(route.pattern.matches('{').count() <= 1);
    }
}
