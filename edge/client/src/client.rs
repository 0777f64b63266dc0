//! The client itself: its daemon, the version agreed upon, an idle connection, and how any call is made.

use std::sync::{Mutex, OnceLock, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use gantry_api::system::AuthConfig;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};

use crate::Result;
use crate::body::BodyReader;
use crate::connection::{Sender, dial, open};
use crate::error::Error;
use crate::hijack::Hijacked;
use crate::host::Host;
use crate::tls::Tls;
use crate::upload::Upload;
use crate::version::ApiVersion;

/// The longest answer that is read into memory: a list of containers can be long.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;
/// The longest error text that is read.
const REFUSAL_LIMIT_BYTES: usize = 1 << 20;

/// A client of one daemon.
#[derive(Debug)]
pub struct Client {
    host: Host,
    tls: Option<Tls>,
    /// Agreed upon with the daemon, or said by the user; not yet when nothing has been asked.
    version: OnceLock<ApiVersion>,
    /// A connection whose last answer was read to its end.
    idle: Mutex<Option<Sender>>,
}

/// One request before it is sent. Paths come without the version.
pub(crate) struct Call {
    method: Method,
    path: String,
    body: Upload,
    content_type: Option<&'static str>,
    /// Beside those of every request.
    headers: Vec<(&'static str, String)>,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: Upload::empty(),
            content_type: None,
            headers: Vec::new(),
        }
    }

    /// Sends a document along.
    pub(crate) fn json(mut self, document: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(document)
            .map_err(|source| Error::Body { request: self.name(), source })?;
        self.body = Upload::Whole(body.into());
        self.content_type = Some("application/json");
        Ok(self)
    }

    /// Sends a user's credentials for a registry along.
    pub(crate) fn registry_auth(self, credentials: Option<&AuthConfig>) -> Result<Self> {
        match credentials {
            Some(credentials) => self.header("X-Registry-Auth", credentials),
            None => Ok(self),
        }
    }

    /// Sends a document along in a header, as Docker does: JSON in base64.
    pub(crate) fn header(mut self, name: &'static str, document: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_vec(document)
            .map_err(|source| Error::Body { request: self.name(), source })?;
        self.headers.push((name, URL_SAFE.encode(text)));
        Ok(self)
    }

    /// Sends an archive along.
    pub(crate) fn archive(mut self, archive: Upload) -> Self {
        self.body = archive;
        self.content_type = Some("application/x-tar");
        self
    }

    /// The same once more, where its body can be sent twice.
    fn again(&self) -> Option<Self> {
        let Upload::Whole(body) = &self.body else { return None };
        Some(Self {
            method: self.method.clone(),
            path: self.path.clone(),
            body: Upload::Whole(body.clone()),
            content_type: self.content_type,
            headers: self.headers.clone(),
        })
    }

    /// What errors call it: the method and the path without its query.
    pub(crate) fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

impl Client {
    /// A client of the daemon at `host` that speaks the newest version. Nothing is sent yet.
    pub fn new(host: Host) -> Self {
        Self { host, tls: None, version: ApiVersion::NEWEST.into(), idle: Mutex::new(None) }
    }

    /// Connects to the daemon at `host` and agrees with it on a version.
    pub async fn connect(host: Host) -> Result<Self> {
        Self::connect_over(host, None).await
    }

    /// The same by TLS, where the host is one of TCP.
    pub async fn connect_over(host: Host, tls: Option<Tls>) -> Result<Self> {
        let client = Self { tls, version: OnceLock::new(), ..Self::new(host) };
        client.agreed().await?;
        Ok(client)
    }

    /// Connects to the daemon at `host`. The version is agreed upon with the first call, which mostly costs no call of its
    /// own: a daemon that does not speak ours says so.
    pub async fn reach(host: Host) -> Result<Self> {
        let client = Self { version: OnceLock::new(), ..Self::new(host) };
        client.put_back(dial(&client.host, None).await?);
        Ok(client)
    }

    /// The same daemon in another version, whatever it says that it speaks.
    #[must_use]
    pub fn with_version(mut self, version: ApiVersion) -> Self {
        self.version = version.into();
        self
    }

    /// Where the daemon is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The version that requests are made in.
    pub fn version(&self) -> ApiVersion {
        self.version.get().copied().unwrap_or(ApiVersion::NEWEST)
    }

    /// The same; asks the daemon where that has not been done.
    pub(crate) async fn agreed(&self) -> Result<ApiVersion> {
        if let Some(version) = self.version.get() {
            return Ok(*version);
        }
        let version = agree(&self.ping().await?.api_version)?;
        Ok(*self.version.get_or_init(|| version))
    }

    /// Carries bytes between `input`, the daemon and `output` on a connection of its own, until the daemon ends it. The end
    /// of `input` is told; answers go on.
    ///
    /// # Errors
    /// The daemon cannot be reached, or one of the three breaks.
    pub async fn relay(
        &self,
        mut input: impl AsyncRead + Unpin,
        mut output: impl AsyncWrite + Unpin,
    ) -> Result<()> {
        let (mut answers, mut requests) = split(open(&self.host, self.tls.as_ref()).await?);
        let sent = async {
            copy(&mut input, &mut requests).await?;
            requests.shutdown().await?;
            std::future::pending::<std::io::Result<u64>>().await
        };
        let relayed = tokio::select! {
            failed = sent => failed,
            ended = copy(&mut answers, &mut output) => ended,
        };
        let flushed = match relayed {
            Ok(_) => output.flush().await,
            Err(error) => Err(error),
        };
        flushed.map_err(|source| Error::Stream { request: "a connection".to_owned(), source })
    }

    /// Makes a call and reads its answer as a document.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        let request = call.name();
        let body = self.whole(call).await?;
        serde_json::from_slice(&body).map_err(|source| Error::Answer { request, source })
    }

    /// Makes a call and reads its answer as text.
    pub(crate) async fn text(&self, call: Call) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.whole(call).await?).into_owned())
    }

    /// Makes a call and reads its answer to the end.
    pub(crate) async fn whole(&self, call: Call) -> Result<Bytes> {
        let name = call.name();
        let (sender, response) = self.send(call, false).await?;
        let response = accepted(&name, response).await?;
        let body = collect(&name, response.into_body(), ANSWER_LIMIT_BYTES).await?;
        self.put_back(sender);
        Ok(body)
    }

    /// Makes a call whose answer goes on.
    pub(crate) async fn stream(&self, call: Call) -> Result<BodyReader> {
        let name = call.name();
        let (_, response) = self.send(call, false).await?;
        let response = accepted(&name, response).await?;
        Ok(BodyReader::new(name, response.into_body()))
    }

    /// Makes a call whose answer goes on, for its headers, too.
    pub(crate) async fn stream_with_headers(
        &self,
        call: Call,
    ) -> Result<(hyper::HeaderMap, BodyReader)> {
        let name = call.name();
        let (_, response) = self.send(call, false).await?;
        let response = accepted(&name, response).await?;
        let headers = response.headers().clone();
        Ok((headers, BodyReader::new(name, response.into_body())))
    }

    /// Makes a call that is answered by headers alone.
    pub(crate) async fn versioned_headers(&self, call: Call) -> Result<hyper::HeaderMap> {
        let name = call.name();
        let (sender, response) = self.send(call, false).await?;
        let response = accepted(&name, response).await?;
        self.put_back(sender);
        Ok(response.headers().clone())
    }

    /// Makes a call without a version that is answered by headers alone.
    pub(crate) async fn headers(&self, call: Call) -> Result<hyper::HeaderMap> {
        let name = call.name();
        let request = build(&self.host, call, String::new(), false)?;
        let (sender, response) = self.send_request(&name, request).await?;
        let response = accepted(&name, response).await?;
        self.put_back(sender);
        Ok(response.headers().clone())
    }

    /// Makes a call that takes the connection over.
    pub(crate) async fn hijack(&self, call: Call) -> Result<Hijacked> {
        let name = call.name();
        let (_, response) = self.send(call, true).await?;
        let response = accepted(&name, response).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::NotUpgraded { request: name, status: response.status().as_u16() });
        }
        let multiplexed = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().ends_with(b".multiplexed-stream"));
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|source| Error::Broken { request: name, source })?;
        Ok(Hijacked::new(upgraded, multiplexed))
    }

    async fn send(&self, call: Call, upgrade: bool) -> Result<(Sender, Response<Incoming>)> {
        if self.version.get().is_none()
            && let Some(first) = call.again()
        {
            let (sender, response) = self.send_in(ApiVersion::NEWEST, first, upgrade).await?;
            let theirs = response.headers().get("api-version").and_then(|text| text.to_str().ok());
            let version = agree(theirs.unwrap_or_default())?;
            let version = *self.version.get_or_init(|| version);
            if version == ApiVersion::NEWEST || response.status() != StatusCode::BAD_REQUEST {
                return Ok((sender, response));
            }
        }
        self.send_in(self.agreed().await?, call, upgrade).await
    }

    async fn send_in(
        &self,
        version: ApiVersion,
        call: Call,
        upgrade: bool,
    ) -> Result<(Sender, Response<Incoming>)> {
        let name = call.name();
        self.send_request(&name, build(&self.host, call, format!("/v{version}"), upgrade)?).await
    }

    /// Sends over the idle connection when there is one; when that turns out to be closed, over a new one. A daemon may close it
    /// while a request is on its way: what only asks is asked once more then, as it changes nothing however often it arrives.
    async fn send_request(
        &self,
        name: &str,
        mut request: Request<Upload>,
    ) -> Result<(Sender, Response<Incoming>)> {
        let broken = |source| Error::Broken { request: name.to_owned(), source };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut sender) = idle
            && sender.ready().await.is_ok()
        {
            let again = again(&request);
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                Err(mut error) => match error.take_message().or(again) {
                    Some(unanswered) => request = unanswered,
                    None => return Err(broken(error.into_error())),
                },
            }
        }
        let mut sender = dial(&self.host, self.tls.as_ref()).await?;
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok((sender, response))
    }

    fn put_back(&self, sender: Sender) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }
}

/// The newest version that both sides speak. A daemon that does not say is taken at our word.
fn agree(newest: &str) -> Result<ApiVersion> {
    let Ok(theirs) = newest.parse::<ApiVersion>() else { return Ok(ApiVersion::NEWEST) };
    if theirs < ApiVersion::OLDEST {
        let oldest = ApiVersion::OLDEST.to_string();
        return Err(Error::TooOld { newest: newest.to_owned(), oldest });
    }
    Ok(theirs.min(ApiVersion::NEWEST))
}

fn build(host: &Host, call: Call, prefix: String, upgrade: bool) -> Result<Request<Upload>> {
    let name = call.name();
    let authority = match host {
        Host::Unix(_) | Host::Ssh(_) => "gantry".to_owned(),
        Host::Tcp { .. } => host.to_string().trim_start_matches("tcp://").to_owned(),
    };
    let mut request = Request::builder()
        .method(call.method)
        .uri(prefix + &call.path)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("Gantry-Client/", env!("CARGO_PKG_VERSION"), " (linux)"));
    if let Some(content_type) = call.content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    if upgrade {
        request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "tcp");
    }
    request.body(call.body).map_err(|source| Error::Request { request: name, source })
}

/// The same request once more, where it only asks.
fn again(request: &Request<Upload>) -> Option<Request<Upload>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let Upload::Whole(body) = request.body() else { return None };
    let mut again = Request::new(Upload::Whole(body.clone()));
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    again.headers_mut().clone_from(request.headers());
    Some(again)
}

/// Turns a refusal into an error with the daemon's text.
async fn accepted(name: &str, response: Response<Incoming>) -> Result<Response<Incoming>> {
    let status = response.status();
    if status.as_u16() < 400 {
        return Ok(response);
    }
    let body = collect(name, response.into_body(), REFUSAL_LIMIT_BYTES).await?;
    let message = match serde_json::from_slice::<gantry_api::ErrorResponse>(&body) {
        Ok(refusal) if !refusal.message.is_empty() => refusal.message,
        _ => match String::from_utf8_lossy(&body).trim() {
            "" => format!("{name} was answered with status {status} and no reason"),
            text => text.chars().take(1000).collect(),
        },
    };
    Err(Error::Daemon { status: status.as_u16(), message })
}

async fn collect(name: &str, body: Incoming, limit_bytes: usize) -> Result<Bytes> {
    match Limited::new(body, limit_bytes).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Error::AnswerTooLong { request: name.to_owned(), limit_bytes })
        }
        Err(error) => {
            let source = std::io::Error::other(error);
            Err(Error::Stream { request: name.to_owned(), source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_on_the_newest_common_version() {
        for (theirs, agreed) in [("1.50", "1.50"), ("1.99", "1.55"), ("1.43", "1.43"), ("", "1.55")]
        {
            assert_eq!(agree(theirs).unwrap().to_string(), agreed, "{theirs}");
        }
        let error = agree("1.24").unwrap_err().to_string();
        assert!(error.contains("1.24") && error.contains("1.40"), "{error}");
    }
}
