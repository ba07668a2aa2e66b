use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use transport::{Stream, Trusted, Verifier};

use crate::config::{Config, SslMode, TlsConfig};
use crate::connect::tls_problem;
use crate::error::Error;

/// Shakes hands.
pub(super) async fn secured(stream: Stream, config: &Config) -> Result<Stream, Error> {
    let refused = |problem: String| Error::Tls { server: config.endpoint(), problem };
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| refused("the host is neither a DNS name nor an address".to_owned()))?;
    let settings = client_config(&config.tls)?.map_err(|error| refused(error.to_string()))?;
    stream.secured(settings, name).await.map_err(|error| match tls_problem(&error) {
        Some(problem) => refused(problem),
        None => Error::Lost {
            server: config.endpoint(),
            doing: "setting up TLS".into(),
            problem: error.to_string(),
        },
    })
}

/// The files are read at every connect, so that certificates can be renewed under a running program.
fn client_config(config: &TlsConfig) -> Result<Result<ClientConfig, rustls::Error>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusted = match (config.mode, &config.authority) {
        (SslMode::Disabled | SslMode::Preferred | SslMode::Required, _) => None,
        (_, Some(authority)) => Some(Trusted::certificates(certificates("ssl-ca", authority)?)),
        (_, None) => Some(Trusted::browsers()),
    };
    let checks_name = config.mode == SslMode::VerifyIdentity;
    let verifier = Arc::new(Verifier::new(trusted, checks_name, &provider));
    let client = match &config.client {
        Some((chain, key)) => Some((certificates("ssl-cert", chain)?, private_key(key)?)),
        None => None,
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.and_then(|builder| {
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        match client {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key),
            None => Ok(builder.with_no_client_auth()),
        }
    }))
}

/// All certificates of a file, in PEM or one in DER.
fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(what, path, error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Ok(vec![CertificateDer::from(bytes)]),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(what, path, not_pem(error))),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable("ssl-key", path, not_pem(error)))
}

fn not_pem(error: rustls::pki_types::pem::Error) -> io::Error {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, format!("{error:?}")),
    }
}

fn unreadable(what: &'static str, path: &Path, error: io::Error) -> Error {
    Error::File { what, path: path.to_owned(), source: Arc::new(error) }
}
