//! Containers that never run: made, told about, renamed, removed; and what older clients see of them.

use crate::server::Server;

#[tokio::test]
async fn a_container_from_create_to_removal() {
    let server = Server::start().await;
    let id = server.container("web").await;
    assert_eq!(id.len(), 64);

    let again = server
        .ask_with("POST /containers/create?name=web", r#"{"Image":"empty","Cmd":["x"]}"#)
        .await;
    assert_eq!(again.status, 409);
    assert!(again.message().starts_with("Conflict. The container name"), "{again:?}");

    let inspect = server.ask("GET /containers/web/json").await;
    assert_eq!(inspect.status, 200);
    assert!(
        inspect.body.contains(&format!("\"Id\":\"{id}\""))
            && inspect.body.contains("\"Status\":\"created\"")
    );

    let list = server.ask("GET /v1.41/containers/json?all=1").await;
    assert!(list.body.contains("\"Names\":[\"/web\"]"), "{list:?}");
    assert_eq!(server.ask("GET /containers/json").await.body, "[]\n");

    assert_eq!(server.ask("POST /containers/web/rename?name=db").await.status, 204);
    assert_eq!(server.ask("GET /containers/web/json").await.status, 404);

    let stop = server.ask("POST /containers/db/stop").await;
    assert_eq!((stop.status, stop.body.as_str()), (304, ""));
    let kill = server.ask("POST /containers/db/kill").await;
    let text = format!("cannot kill container: db: container {id} is not running");
    assert_eq!((kill.status, kill.message()), (409, text.as_str()));

    let removed = server.ask("DELETE /containers/db?force=1&v=1").await;
    assert_eq!((removed.status, removed.body.as_str()), (204, ""));
    assert_eq!(server.ask("GET /containers/json?all=1").await.body, "[]\n");
    server.stop().await;
}

#[tokio::test]
async fn older_clients_see_images_as_they_were() {
    let server = Server::start().await;
    server.container("web").await;
    assert!(!server.ask("GET /images/json").await.body.contains("VirtualSize"));
    assert!(server.ask("GET /v1.43/images/json").await.body.contains("VirtualSize"));
    let tag = server.ask("POST /images/empty/tag?repo=r.example%2Fa%2Fb&tag=1").await;
    assert_eq!(tag.status, 201, "{tag:?}");
    let inspect = server.ask("GET /v1.49/images/r.example/a/b:1/json").await;
    assert_eq!(inspect.status, 200, "{inspect:?}");
    assert!(inspect.body.contains("\"Hostname\":\"\""), "{inspect:?}");
    let absent = server.ask_with("POST /containers/create", r#"{"Image":"absent"}"#).await;
    assert_eq!((absent.status, absent.message()), (404, "No such image: absent:latest"));
    server.stop().await;
}
