//! The certificate of a listener, read again when its files change.
//!
//! Files that are faulty, or do not belong together, as while they are being replaced, leave the one in force where it is.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::followed_files;

/// See the module. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct Certificate {
    files: TlsFiles,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl Current {
    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Certificate {
    /// That in `files`; else what is wrong with it.
    pub fn read(files: &TlsFiles) -> Result<Self, String> {
        let key = Arc::new(load(files)?);
        Ok(Self { files: files.clone(), current: Arc::new(Current(RwLock::new(key))) })
    }

    /// What accepts connections by it, whichever it is then.
    pub fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|e| format!("tls: {e}"))?;
        let resolver = Arc::clone(&self.current);
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Shows what is in the files whenever they change, for ever.
    pub async fn follow(self) {
        let files = vec![self.files.cert.clone(), self.files.key.clone()];
        let take = || {
            let key = Arc::new(load(&self.files)?);
            *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = key;
            Ok(())
        };
        followed_files::follow(files, take).await;
    }
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, String> {
    let of = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let certs = CertificateDer::pem_file_iter(&files.cert).map_err(|e| of(&files.cert, &e))?;
    let certs = certs.collect::<Result<Vec<_>, _>>().map_err(|e| of(&files.cert, &e))?;
    if certs.is_empty() {
        return Err(of(&files.cert, &"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| of(&files.key, &e))?;
    let fits = CertifiedKey::from_der(certs, key, &aws_lc_rs::default_provider());
    fits.map_err(|e| of(&files.key, &format!("with {}: {e}", files.cert.display())))
}
