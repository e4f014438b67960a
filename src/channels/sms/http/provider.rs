//! One provider as the engine uses it: the configuration, checked and with all that does not change worked out.

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::config::{Auth, ContentType, Errors, HttpSmsConfig, Method};
use super::template::{Node, Template, Values, as_form};
use crate::channels::Sms;
use crate::secret::Secret;

/// How requests are made and answers understood.
pub struct Provider {
    pub method: HttpMethod,
    pub uri: Uri,
    pub check: Option<Uri>,
    pub headers: HeaderMap,
    pub idempotency_header: Option<HeaderName>,
    /// Whether requests say to which trace they belong.
    pub traceparent: bool,
    pub id_pointer: Option<String>,
    pub error_pointer: Option<String>,
    pub message_pointer: Option<String>,
    pub errors: Errors,
    pub errors_in_2xx: bool,
    /// Never to appear in what is stored or logged.
    pub secret: Option<Secret>,
    content_type: ContentType,
    body: Node,
    account: Option<String>,
}

impl Provider {
    /// From a configuration that has its preset below it. The error names the key.
    pub fn new(config: &HttpSmsConfig) -> Result<Self, String> {
        let values = Values { account: config.account.as_deref(), ..Values::default() };
        let uri = uri(config.url.as_deref().ok_or("`url` is missing, and no `preset` gives it")?, &values)?;
        check_reach(&uri, config.allow_http)?;
        let content_type = config.content_type.unwrap_or(ContentType::Json);
        if config.body.is_empty() {
            return Err("`body` is missing, and no `preset` gives it".to_owned());
        }
        let body = Node::fields(&config.body, "body")?;
        if content_type == ContentType::Form {
            body.check_flat("body")?;
        }
        for (key, pointer) in [
            ("id_pointer", &config.id_pointer),
            ("error_pointer", &config.error_pointer),
            ("message_pointer", &config.message_pointer),
        ] {
            check_pointer(key, pointer.as_deref())?;
        }
        let check = config.check_path.as_deref().map(|path| sibling(&uri, path, &values)).transpose()?;
        Ok(Self {
            method: match config.method.unwrap_or(Method::Post) {
                Method::Post => HttpMethod::POST,
                Method::Put => HttpMethod::PUT,
            },
            check,
            headers: headers(config, content_type, &values)?,
            idempotency_header: config
                .idempotency_header
                .as_deref()
                .map(|name| header_name("idempotency_header", name))
                .transpose()?,
            traceparent: config.traceparent.unwrap_or(false),
            id_pointer: config.id_pointer.clone(),
            error_pointer: config.error_pointer.clone(),
            message_pointer: config.message_pointer.clone(),
            errors: config.errors.clone(),
            errors_in_2xx: config.errors_in_2xx.unwrap_or(false),
            secret: config.secret.clone(),
            content_type,
            body,
            account: config.account.clone(),
            uri,
        })
    }

    /// The bytes that say this message: the same on every retry.
    pub fn body(&self, sms: &Sms, callback_url: Option<&str>, inbound_url: Option<&str>) -> Vec<u8> {
        let values = Values { sms: Some(sms), account: self.account.as_deref(), callback_url, inbound_url };
        let body = self.body.render(&values).unwrap_or_default();
        match self.content_type {
            ContentType::Json => body.to_string().into_bytes(),
            ContentType::Form => as_form(&body).into_bytes(),
        }
    }

    /// Whether a request that may have been acted upon can be made again.
    pub fn is_idempotent(&self) -> bool {
        self.idempotency_header.is_some()
    }
}

fn uri(text: &str, values: &Values<'_>) -> Result<Uri, String> {
    let text = fixed("url", text, values)?;
    let uri: Uri = text.parse().map_err(|_| format!("`url`: `{text}` is not a URL"))?;
    let authority = uri.authority().ok_or_else(|| format!("`url`: `{text}` names no host"))?;
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return Err(format!("`url`: `{text}` begins with neither https:// nor http://"));
    }
    if authority.as_str().contains('@') {
        return Err("`url` holds a user; say it with `auth` and `secret`".to_owned());
    }
    Ok(uri)
}

/// Another path on the same host.
fn sibling(uri: &Uri, path: &str, values: &Values<'_>) -> Result<Uri, String> {
    let path = fixed("check_path", path, values)?;
    let mut parts = uri.clone().into_parts();
    let path = path.starts_with('/').then_some(path.as_str()).and_then(|path| path.parse().ok());
    parts.path_and_query = Some(path.ok_or("`check_path` is not a path: write it like /v1/account")?);
    Uri::from_parts(parts).map_err(|error| format!("`check_path`: {error}"))
}

/// A secret on a line that anyone can read is none.
fn check_reach(uri: &Uri, allow_http: bool) -> Result<(), String> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let loopback =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if uri.scheme_str() == Some("http") && !loopback && !allow_http {
        return Err(format!(
            "`url` would send secret and texts to {host} readable by anyone on the way; use https://, or say \
             `allow_http = true` within a network of your own"
        ));
    }
    Ok(())
}

/// A pointer is empty or begins with a slash (RFC 6901).
pub fn check_pointer(key: &str, pointer: Option<&str>) -> Result<(), String> {
    match pointer {
        Some(pointer) if !pointer.is_empty() && !pointer.starts_with('/') => {
            Err(format!("`{key}`: `{pointer}` is not a JSON pointer: write it like /{pointer}"))
        }
        _ => Ok(()),
    }
}

/// A text that names nothing but what the configuration gives.
fn fixed(key: &str, text: &str, values: &Values<'_>) -> Result<String, String> {
    let template = Template::parse(text).map_err(|error| format!("`{key}`: {error}"))?;
    template.render(values).ok_or_else(|| {
        if values.account.is_none() && text.contains("account") {
            format!("`account` is missing: `{key}` is `{text}`")
        } else {
            format!("`{key}`: `{text}` may name the account only")
        }
    })
}

fn headers(
    config: &HttpSmsConfig,
    content_type: ContentType,
    values: &Values<'_>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("declic/", env!("CARGO_PKG_VERSION"))));
    let content_type = match content_type {
        ContentType::Json => "application/json",
        ContentType::Form => "application/x-www-form-urlencoded",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in &config.headers {
        let key = format!("headers.{name}");
        let value = fixed(&key, value, values)?;
        let value =
            HeaderValue::from_str(&value).map_err(|_| format!("`{key}` cannot be a header's value"))?;
        headers.insert(header_name(&key, name)?, value);
    }
    if let Some((name, value)) = authorization(config, values)? {
        headers.insert(name, value);
    }
    Ok(headers)
}

fn authorization(
    config: &HttpSmsConfig,
    values: &Values<'_>,
) -> Result<Option<(HeaderName, HeaderValue)>, String> {
    let auth = config.auth.as_ref().unwrap_or(&Auth::None);
    let secret = match (auth, &config.secret) {
        (Auth::None, _) => return Ok(None),
        (_, Some(secret)) if !secret.expose().is_empty() => secret.expose(),
        _ => return Err("`secret` (or `secret_file`) is missing: `auth` asks for one".to_owned()),
    };
    let (name, value) = match auth {
        Auth::None => return Ok(None),
        Auth::Basic { username } => {
            let username = fixed("auth.basic.username", username, values)?;
            if username.contains(':') {
                return Err(
                    "`auth.basic.username` holds a colon, which ends a user's name (RFC 7617)".to_owned()
                );
            }
            (AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{username}:{secret}"))))
        }
        Auth::Bearer => (AUTHORIZATION, format!("Bearer {secret}")),
        Auth::Header { name } => (header_name("auth.header.name", name)?, secret.to_owned()),
    };
    let mut value =
        HeaderValue::from_str(&value).map_err(|_| "`secret` cannot be a header's value".to_owned())?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

pub fn header_name(key: &str, name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{key}`: `{name}` is not a header's name"))
}
