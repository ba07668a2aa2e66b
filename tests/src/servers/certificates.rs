use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// A certificate authority, and a folder that servers can read with what it signs, in PEM.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    /// A new one, whose own certificate is in `ca.pem`.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.distinguished_name.push(DnType::CommonName, "the tests' authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer =
            CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("an issuer");
        let folder = tempfile::tempdir().expect("a folder");
        // Servers run as another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("set permissions");
        let authority = Self { issuer, folder };
        authority.write("ca.pem", &authority.issuer.pem());
        authority
    }

    /// Signs a server's certificate for this host: `NAME.pem`, `NAME.key`, and both in `NAME.both.pem`.
    pub fn server(&self, name: &str, host: &str) {
        self.sign(name, CertificateParams::new(vec![host.to_owned()]).expect("parameters"));
    }

    /// The same, and it expired long ago.
    pub fn expired_server(&self, name: &str, host: &str) {
        let mut parameters = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(2021, 1, 1);
        self.sign(name, parameters);
    }

    /// Signs a client's certificate, with its name as the common name.
    pub fn client(&self, name: &str) {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.distinguished_name.push(DnType::CommonName, name);
        self.sign(name, parameters);
    }

    /// The path of a file in the folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The same as text.
    pub fn file(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    /// Writes a file into the folder.
    pub fn write(&self, file: &str, content: &str) {
        fs::write(self.path(file), content).expect("write a file");
        fs::set_permissions(self.path(file), Permissions::from_mode(0o644)).expect("set permissions");
    }

    fn sign(&self, name: &str, parameters: CertificateParams) {
        let key = KeyPair::generate().expect("a key");
        let certificate: Certificate = parameters.signed_by(&key, &self.issuer).expect("sign");
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        self.write(&format!("{name}.both.pem"), &(key.serialize_pem() + &certificate.pem()));
    }
}
