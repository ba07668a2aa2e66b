use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;

/// How much of a server's certificate is checked.
#[derive(Debug)]
pub struct Verifier {
    trusted: Option<Trusted>,
    checks_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The authorities that may have signed it.
#[derive(Debug)]
pub struct Trusted {
    authorities: RootCertStore,
    /// The same, whole. A server's self-signed certificate may be named as its own authority, as OpenSSL allows and
    /// the webpki rules do not.
    certificates: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Without authorities nothing is checked.
    pub fn new(trusted: Option<Trusted>, checks_name: bool, provider: &CryptoProvider) -> Self {
        Self { trusted, checks_name, algorithms: provider.signature_verification_algorithms }
    }
}

impl Trusted {
    /// These.
    pub fn certificates(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(certificates.iter().cloned());
        Self { authorities, certificates }
    }

    /// The system's.
    pub fn system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "one of the system's certificate authorities cannot be read");
        }
        Self::certificates(found.certs)
    }

    /// Those that browsers trust.
    pub fn browsers() -> Self {
        let authorities = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self { authorities, certificates: Vec::new() }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), rustls::Error> {
        let checked = verify_server_cert_signed_by_trust_anchor(
            parsed,
            &self.authorities,
            intermediates,
            now,
            algorithms.all,
        );
        if checked.is_err() && self.certificates.iter().any(|trusted| **trusted == **certificate) {
            return check_validity(certificate, now);
        }
        checked
    }
}

fn check_validity(certificate: &[u8], now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate().validity();
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// As OpenSSL: the alternative names decide, and only without any the subject's common name.
fn check_name(
    certificate: &[u8],
    parsed: &ParsedCertificate<'_>,
    name: &ServerName<'_>,
) -> Result<(), rustls::Error> {
    let checked = verify_server_name(parsed, name);
    if checked.is_err() && common_name(certificate).is_some_and(|common| matches(&common, &name.to_str())) {
        return Ok(());
    }
    checked
}

/// The common name of a certificate without alternative names.
fn common_name(certificate: &[u8]) -> Option<String> {
    let parsed = Certificate::from_der(certificate).ok()?;
    let parsed = parsed.tbs_certificate();
    match parsed.get_extension::<SubjectAltName>() {
        Ok(None) => Some(parsed.subject().common_name().ok()??.value().into_owned()),
        _ => None,
    }
}

/// Compares a name of a certificate, which may begin with `*.`, with a host name. The star stands for one label.
fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && domain.contains('.') && rest.eq_ignore_ascii_case(domain)
        }),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trusted) = &self.trusted {
            let parsed = ParsedCertificate::try_from(certificate)?;
            trusted.check(certificate, &parsed, intermediates, now, &self.algorithms)?;
            if self.checks_name {
                check_name(certificate, &parsed, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(matches("db.Example", "DB.example"));
        assert!(matches("*.db.example", "a.db.example"));
        assert!(!matches("*.db.example", "db.example"));
        assert!(!matches("*.db.example", "a.b.db.example"));
        assert!(!matches("*.db.example", ".db.example"));
        assert!(!matches("*.example", "db.example"));
        assert!(!matches("*", "db"));
    }
}
