//! Requests to the collector, on the worker's runtime and its own TLS, as the exporter's thread asks for them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

use crate::telemetry::traces::said;

/// How much of an answer is read: it says at most which spans were not taken.
const LARGEST_ANSWER: usize = 64 * 1024;

/// How long a batch may take (`OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds).
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Client {
    client: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
}

impl Client {
    pub(super) fn new() -> Result<Self, String> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let client =
            legacy::Client::builder(TokioExecutor::new()).build(HttpsConnector::from((http, tls()?)));
        let milliseconds = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]
            .into_iter()
            .find_map(|name| said(name)?.parse().ok());
        Ok(Self {
            client,
            runtime: Handle::current(),
            timeout: milliseconds.map_or(TIMEOUT, Duration::from_millis),
        })
    }
}

/// Trusts the public authorities and those of `OTEL_EXPORTER_OTLP_CERTIFICATE`.
fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let file = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"]
        .into_iter()
        .find_map(|name| Some((name, said(name)?)));
    if let Some((name, file)) = file {
        let unfit =
            |error: &dyn std::fmt::Display| format!("{name}: {file} holds no certificates in PEM: {error}");
        for certificate in CertificateDer::pem_file_iter(&file).map_err(|error| unfit(&error))? {
            let certificate = certificate.map_err(|error| unfit(&error))?;
            roots.add(certificate).map_err(|error| unfit(&error))?;
        }
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| error.to_string())
}

impl HttpClient for Client {
    // As `async_trait` writes it.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (client, limit) = (self.client.clone(), self.timeout);
        let exchange = async move {
            let response = client.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // Connections and timers belong to the runtime, and the thread that asks has none.
        let exchange = self.runtime.spawn(async move { tokio::time::timeout(limit, exchange).await });
        Box::pin(async move { exchange.await?? })
    }
}
