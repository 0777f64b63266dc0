//! What docker-py needs whatever version of the API it speaks: `containers.run` gives the container's output back only
//! when its log driver is called json-file or journald, and `None` otherwise, although it could read every one here.

use gantry_api::container::ContainerInspect;
use hyper::header::{HeaderMap, USER_AGENT};

/// How its name begins in `User-Agent`.
const NAME: &[u8] = b"docker-sdk-python/";

/// Calls the driver `local` by the name of Docker's default one, which it stands for.
pub(crate) fn container_inspect(headers: &HeaderMap, container: &mut ContainerInspect) {
    let is_docker_py =
        headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(NAME));
    let driver = &mut container.host_config.log_config.r#type;
    if is_docker_py && driver == "local" {
        "json-file".clone_into(driver);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver_for(agent: &str, driver: &str) -> String {
        let mut container = ContainerInspect::default();
        driver.clone_into(&mut container.host_config.log_config.r#type);
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, agent.parse().unwrap());
        container_inspect(&headers, &mut container);
        container.host_config.log_config.r#type
    }

    #[test]
    fn only_docker_py_is_told_another_name_and_only_of_local() {
        assert_eq!(driver_for("docker-sdk-python/7.1.0", "local"), "json-file");
        assert_eq!(driver_for("docker-sdk-python/7.1.0", "none"), "none");
        assert_eq!(driver_for("Docker-Client/28.2.2 (linux)", "local"), "local");
    }
}
