//! Whom we believe to be a provider: the public authorities and those that a file names. One TLS for all channels.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// TLS by rustls with ring. The error names the file.
pub fn trust(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca_file {
        let place = file.display();
        let pem = fs::read(file).map_err(|error| format!("ca_file {place} cannot be read: {error}"))?;
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added
                .map_err(|error| format!("ca_file {place} is not a list of certificates in PEM: {error}"))?;
            found = true;
        }
        if !found {
            return Err(format!("ca_file {place} holds no certificate"));
        }
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
        .map_err(|error| error.to_string())
}
