//! The certificate of a listener, read again when its files change.
//!
//! Files that are faulty, or do not belong together, as while they are being replaced, leave the one in force where it is.
//! Where an authority is named, instances know each other by it: the same certificate is shown to those that are asked, and a
//! caller who shows one of that authority is told apart. Who shows none is served as far as the routes allow: probes have none.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme, version};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;
use crate::followed_files;

/// See the module. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct Certificate {
    files: TlsFiles,
    current: Arc<Current>,
    /// Those whose callers, and whose instances, are believed.
    authorities: Option<Arc<RootCertStore>>,
}

/// What marks a request whose caller showed a certificate of an authority that is believed.
#[derive(Clone, Copy, Debug)]
pub struct Certified;

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }

    fn has_certs(&self) -> bool {
        true
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
        let current = Arc::new(Current(RwLock::new(Arc::new(load(files)?))));
        let authorities = files.authority.as_deref().map(authorities).transpose()?.map(Arc::new);
        Ok(Self { files: files.clone(), current, authorities })
    }

    /// What accepts connections by it, whichever it is then.
    pub fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let callers = match &self.authorities {
            Some(of) => {
                let of = Arc::clone(of);
                WebPkiClientVerifier::builder_with_provider(of, Arc::clone(&provider))
                    .allow_unauthenticated()
                    .build()
                    .map_err(|e| format!("tls: {e}"))?
            }
            None => Arc::new(NoClientAuth),
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|e| format!("tls: {e}"))?;
        let resolver = Arc::clone(&self.current);
        let mut config = builder.with_client_cert_verifier(callers).with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// How other instances are called: by this certificate, if there is one, and only those of its authority.
    pub fn caller(of: Option<&Self>) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|e| format!("tls: {e}"))?;
        let believed = of.and_then(|of| of.authorities.clone());
        let builder = builder
            .with_root_certificates(believed.unwrap_or_else(|| Arc::new(RootCertStore::empty())));
        Ok(match of {
            Some(of) => {
                let resolver = Arc::clone(&of.current);
                builder.with_client_cert_resolver(resolver)
            }
            None => builder.with_no_client_auth(),
        })
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
    let certs = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| of(&files.key, &e))?;
    let fits = CertifiedKey::from_der(certs, key, &aws_lc_rs::default_provider());
    fits.map_err(|e| of(&files.key, &format!("with {}: {e}", files.cert.display())))
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for cert in certificates(path)? {
        roots.add(cert).map_err(|e| of(path, &e))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certs = CertificateDer::pem_file_iter(path).map_err(|e| of(path, &e))?;
    let certs = certs.collect::<Result<Vec<_>, _>>().map_err(|e| of(path, &e))?;
    if certs.is_empty() { Err(of(path, &"there is no certificate in it")) } else { Ok(certs) }
}

/// What is wrong with a file.
fn of(path: &Path, fault: &dyn Display) -> String {
    format!("{}: {fault}", path.display())
}
