//! A company's own certificate authority, for servers that speak TLS: who trusts it trusts them.

use std::fs;
use std::io;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A certificate authority that nobody trusts who was not told to.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One of this name.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for this machine, and its key, as files of a folder, with the authority's own beside them: `certificate`,
    /// `key`, `authority`, all PEM.
    pub fn certify(&self) -> io::Result<TempDir> {
        let folder = TempDir::with_prefix("feedmill-")?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        fs::write(folder.path().join("certificate"), certificate.pem())?;
        fs::write(folder.path().join("key"), key.serialize_pem())?;
        fs::write(folder.path().join("authority"), &self.pem)?;
        Ok(folder)
    }
}
