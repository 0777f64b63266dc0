//! `--gpus`: `all`, a number, or `driver=…,count=…,device=…,capabilities=…,options=…`.

use gantry_api::container::DeviceRequest;

use gantry_types::csv;

use super::value;

/// Reads one request for GPUs.
pub(super) fn request(text: &str) -> Result<DeviceRequest, String> {
    let mut request = DeviceRequest::default();
    let mut capabilities = vec!["gpu".to_owned()];
    let mut count = None;
    for field in csv::fields(text)? {
        let (key, value) = field.split_once('=').unwrap_or(("count", &field));
        match key {
            "driver" => value.clone_into(&mut request.driver),
            "count" => count = Some(number(value)?),
            "device" => request.device_ids = list(value),
            "capabilities" => capabilities.extend(list(value)),
            "options" => {
                for option in list(value) {
                    let (name, text) = value::pair(&option)?;
                    request.options.insert(name, text);
                }
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if count.is_some() && !request.device_ids.is_empty() {
        return Err("cannot set both Count and DeviceIDs on device request".to_owned());
    }
    request.count = count.unwrap_or(i64::from(request.device_ids.is_empty()));
    request.capabilities = vec![capabilities];
    Ok(request)
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// −1 stands for all.
fn number(text: &str) -> Result<i64, String> {
    match text {
        "all" => Ok(-1),
        _ => text.parse().map_err(|_| format!("count must be an integer or \"all\", not {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests() {
        let check = |text: &str, count: i64, devices: &[&str]| {
            let request = request(text).unwrap();
            assert_eq!(request.count, count, "{text}");
            assert_eq!(request.device_ids, devices, "{text}");
            assert_eq!(request.capabilities[0][0], "gpu");
        };
        check("all", -1, &[]);
        check("2", 2, &[]);
        check("\"device=0,1\"", 0, &["0", "1"]);
        check("capabilities=compute", 1, &[]);
        assert!(
            request("x").is_err() && request("a=b").is_err() && request("all,device=1").is_err()
        );
    }
}
