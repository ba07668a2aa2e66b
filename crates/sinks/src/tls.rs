//! What is wrong with a server's certificate, in words that name the remedy.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, ConfigBuilder, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Error;

/// The TLS error somewhere below another error.
pub(crate) fn cause<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An io::Error does not name what it wraps as its source, but what that names as its own.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// An error of TLS with what mends it. `section` is where the files are configured.
pub(crate) fn explain(error: &rustls::Error, section: &str) -> String {
    let remedy = match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired: give the server a new one".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet: compare the clocks of both machines".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host name: connect by a name that it holds, or give the server \
                 one for this name"
                    .to_owned()
            }
            CertificateError::UnknownIssuer => format!(
                "the server's certificate is not signed by an authority that is trusted: set {section}.ca_file to that of \
                 the one that signed it"
            ),
            _ => "the server's certificate can't be trusted".to_owned(),
        },
        rustls::Error::AlertReceived(alert) if is_about_the_client(*alert) => format!(
            "the server does not accept this client's certificate: check {section}.certificate_file and {section}.key_file"
        ),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS at this port".to_owned(),
        _ => return error.to_string(),
    };
    format!("{remedy} ({error})")
}

/// How a server says no to a client's certificate, or to there being none.
fn is_about_the_client(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
    )
}

/// Shakes hands with a server only to learn what is wrong with its certificate: for a client that does not say.
pub(crate) async fn diagnose(address: &str, ca_file: Option<&Path>) -> Option<rustls::Error> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let (host, _) = address.rsplit_once(':')?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()?;
    let connector = TlsConnector::from(Arc::new(trusting(ca_file, "tls").ok()?.with_no_client_auth()));
    let shaken =
        timeout(PATIENCE, async { connector.connect(name, TcpStream::connect(address).await?).await });
    let error = shaken.await.ok()?.err()?;
    cause(&error).cloned()
}

/// A client that trusts the authorities of this file; without one, those that the system does. `section` is where it is
/// configured.
pub(crate) fn trusting(
    ca_file: Option<&Path>,
    section: &'static str,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(match ca_file {
        Some(path) => certificates("certificate authority", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    });
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Option { option: section, reason: error.to_string() })?;
    Ok(config.with_root_certificates(authorities))
}

/// All certificates of a PEM file; none is an error.
pub(crate) fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = |reason: String| Error::Credentials { what, path: path.to_owned(), reason };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(pem_problem(&error)))?;
    if found.is_empty() { Err(unusable("it holds no certificate in PEM".to_owned())) } else { Ok(found) }
}

/// Without what stands in the file: it may be a key.
pub(crate) fn pem_problem(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        rustls::pki_types::pem::Error::NoItemsFound => "it holds no such thing in PEM".to_owned(),
        _ => "it is not PEM".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_however_deep() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = io::Error::other(io::Error::other(tls.clone()));
        assert_eq!(cause(&wrapped), Some(&tls));
        assert_eq!(cause(&io::Error::other("x")), None);
        assert!(explain(&tls, "sink.nats.tls").contains("has expired"));
    }
}
