use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use transport::Stream;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// `tls-server-end-point` (RFC 5929 section 4.1): the hash of the server's certificate by the hash function of its
/// signature, with SHA-256 in the place of MD5 and SHA-1. `None` if the signature names no hash function, as with
/// Ed25519: most servers cannot bind then either.
pub(super) fn certificate_hash(stream: &Stream) -> Option<Vec<u8>> {
    let certificate = stream.certificate()?;
    let parsed = Certificate::from_der(certificate).ok()?;
    Some(match parsed.signature_algorithm().oid.to_string().as_str() {
        // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Sha256::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => Sha224::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(certificate).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(certificate).to_vec(),
        _ => return None,
    })
}
