//! Connections: kept and used again, encrypted, trusted; and what their errors are.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use axum::body::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::config::HttpSmsConfig;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// Keeps connections and makes requests on them. It repeats a request only where not a byte of it was written.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

pub fn client(config: &HttpSmsConfig, tls: &Arc<ClientConfig>, connections: usize) -> HttpClient {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(Duration::from_secs(config.connect_timeout_s.max(1))));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(config.idle_s))
        .pool_max_idle_per_host(connections)
        .build(HttpsConnector::from((http, tls.as_ref().clone())))
}

/// The public authorities and those of `ca_file`.
pub fn trust(config: &HttpSmsConfig) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = &config.ca_file {
        let place = file.display();
        let pem = fs::read(file).map_err(|error| format!("`ca_file` {place} cannot be read: {error}"))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(|error| {
                format!("`ca_file` {place} is not a list of certificates in PEM: {error}")
            })?;
        }
        if roots.len() == before {
            return Err(format!("`ca_file` {place} holds no certificate"));
        }
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| error.to_string())
}

/// The error of TLS within, if that is what it is.
pub fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    // An error of the system that wraps another does not name that one as its source.
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return tls_error(inner);
    }
    tls_error(error.source()?)
}

/// An error with its causes, in one line.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}
