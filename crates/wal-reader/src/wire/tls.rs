use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use transport::{Socket, Stream, Trusted, Verifier};

use super::config::{RootCertificates, SslMode, TlsConfig};
use crate::error::{Endpoint, Error};

/// Asks whether the server speaks TLS.
///
/// Exactly one byte is read: what somebody in the middle may have put behind it stays in the socket, where the
/// handshake takes it for a broken record. It can never be mistaken for what the server said inside of TLS
/// (CVE-2021-23222).
pub(super) async fn is_offered(socket: &mut Socket, server: &Endpoint) -> Result<bool, Error> {
    let asked = async {
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        socket.write_all(&request).await?;
        socket.read_u8().await
    };
    match asked.await {
        Ok(b'S') => Ok(true),
        Ok(b'N') => Ok(false),
        // An error's text came over an open wire, and could be anybody's (CVE-2024-10977).
        Ok(_) => Err(refused(server, "the server answered the request for TLS with neither yes nor no")),
        Err(error) => Err(broken(server, error)),
    }
}

/// Shakes hands.
pub(super) async fn secure(
    socket: Socket,
    config: &TlsConfig,
    host: &str,
    server: &Endpoint,
) -> Result<Stream, Error> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| refused(server, "the host is neither a DNS name nor an address"))?;
    let config = client_config(config, server)?;
    Stream::plain(socket).secured(config, name).await.map_err(|error| broken(server, error))
}

/// The files are read at every connect, so that certificates can be renewed under a running program.
fn client_config(config: &TlsConfig, server: &Endpoint) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let checks_name = config.mode == SslMode::VerifyFull;
    let verifier = Verifier::new(trusted(config)?, checks_name, &provider);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(server, error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some((certificate, key)) = &config.client else { return Ok(builder.with_no_client_auth()) };
    let chain = read_certificates("client certificate", certificate)?;
    let key = read_key(key)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| refused(server, format!("sslcert and sslkey: {error}")))
}

/// Whom to trust, by `sslmode` and `sslrootcert`.
///
/// | | without sslrootcert | with sslrootcert |
/// |---|---|---|
/// | allow, prefer, require | nothing is checked | the authority |
/// | verify-ca | (refused) | the authority |
/// | verify-full | a system authority, and the name | the authority and the name |
fn trusted(config: &TlsConfig) -> Result<Option<Trusted>, Error> {
    Ok(match &config.root {
        Some(RootCertificates::File(path)) => {
            let certificates = read_certificates("certificate authority (sslrootcert)", path)?;
            Some(Trusted::certificates(certificates))
        }
        Some(RootCertificates::System) => Some(Trusted::system()),
        None if config.mode == SslMode::VerifyFull => Some(Trusted::system()),
        None => None,
    })
}

/// A key that others may read is refused, as libpq does (`initialize_SSL` in fe-secure-openssl.c): its owner's alone, or
/// root's, whose group may read it.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    const WHAT: &str = "private key (sslkey)";
    let error = |source| Error::File { what: WHAT, path: path.to_owned(), source: Arc::new(source) };
    let metadata = std::fs::metadata(path).map_err(error)?;
    let too_open = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.is_file() && metadata.mode() & too_open != 0 {
        return Err(error(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "others may read it (mode {:o}): chmod 600, or 640 if root owns it",
                metadata.mode() & 0o777
            ),
        )));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(WHAT, path, error))
}

/// All certificates of a PEM file; none is an error.
fn read_certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(what, path, error))?;
    if certificates.is_empty() {
        return Err(unreadable(what, path, rustls::pki_types::pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn unreadable(what: &'static str, path: &Path, error: rustls::pki_types::pem::Error) -> Error {
    let source = match error {
        rustls::pki_types::pem::Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, format!("{error:?}")),
    };
    Error::File { what, path: path.to_owned(), source: Arc::new(source) }
}

fn refused(server: &Endpoint, problem: impl ToString) -> Error {
    Error::Tls { server: server.clone(), problem: problem.to_string() }
}

/// A failure on the way to TLS: of TLS itself, which does not mend itself, or of the network under it.
fn broken(server: &Endpoint, error: io::Error) -> Error {
    match tls_problem(&error) {
        Some(problem) => refused(server, problem),
        None => {
            Error::Lost { server: server.clone(), doing: "setting up TLS".into(), source: Arc::new(error) }
        }
    }
}

/// In TLS 1.3 the server looks at our certificate when the handshake is over on our side: its refusal is met by whoever
/// reads first (RFC 8446, section 4.4.2.4).
pub(super) fn told_late(error: Error) -> Error {
    match &error {
        Error::Lost { server, source, .. } => match tls_problem(source) {
            Some(problem) => refused(server, problem),
            None => error,
        },
        _ => error,
    }
}

/// What to say if this error is TLS's own.
fn tls_problem(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let remedy = match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => {
                "; the certificate does not lead to an authority that is trusted: set sslrootcert to the file of the \
                 one that signed it"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "; the server's certificate is for another host name: connect by a name that it holds, or give the server \
                 one for this name"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "; the server's certificate has expired: give the server a new one"
            }
            _ => "",
        },
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate,
        ) => "; the server does not accept this client's certificate: check sslcert and sslkey",
        rustls::Error::InvalidMessage(_) => "; what came after the server's yes is not TLS",
        _ => "",
    };
    Some(format!("{error}{remedy}"))
}
