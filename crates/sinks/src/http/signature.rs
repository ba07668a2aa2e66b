use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs a request as Standard Webhooks has it (`symmetric`, version 1 of its specification), so that libraries in many
/// languages can check it: HMAC-SHA256 over `id.timestamp.body`. The timestamp lets a receiver refuse what somebody
/// recorded and plays again.
///
/// A secret `whsec_…` is base64, as those libraries write it; any other is taken as it is.
pub(super) fn sign(secret: &str, id: &str, unix_seconds: u64, body: &[u8]) -> Result<String, &'static str> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| "what follows whsec_ is no base64")?,
        None => secret.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| "it can't be a key")?;
    mac.update(format!("{id}.{unix_seconds}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries (`standardwebhooks`, `Webhook.sign`).
    #[test]
    fn it_is_what_standard_webhooks_has() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_plain_secret_is_its_bytes() {
        let encoded = format!("whsec_{}", STANDARD.encode("hush"));
        assert_eq!(sign("hush", "a", 1, b"x"), sign(&encoded, "a", 1, b"x"));
        assert_ne!(sign("hush", "a", 1, b"x"), sign("hush", "a", 2, b"x"));
        assert!(sign("whsec_!", "a", 1, b"x").is_err());
    }
}
