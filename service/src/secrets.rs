//! A secret that is shared by its holders, from a file: one line, or two while it is changed.
//!
//! The first line is shown, and signs; either is taken. So it is changed without a stop in three steps of every holder: the new one
//! as second line, the new one as first line, the old one gone. What is shown is compared in the same time whatever it is.

use std::fs;
use std::path::Path;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

const LINES_MAX: usize = 2;

/// See the module. There is at least one.
#[derive(Clone)]
pub struct Secrets {
    shown: String,
    /// Of all, the first first.
    taken: Vec<String>,
}

impl Secrets {
    /// Those of a file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let wrong = |words: &dyn std::fmt::Display| format!("{}: {words}", path.display());
        let bytes = fs::read(path).map_err(|e| wrong(&e))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong(&"is no UTF-8"))?;
        Self::of(&text).map_err(|words| wrong(&words))
    }

    /// Those of its text.
    pub fn of(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let taken: Vec<_> = lines.map(ToOwned::to_owned).collect();
        let shown = taken.first().ok_or("is empty")?.clone();
        if taken.len() > LINES_MAX {
            return Err(format!(
                "has at most {LINES_MAX} secrets, a line each, found {}",
                taken.len()
            ));
        }
        Ok(Self { shown, taken })
    }

    /// What is shown to others.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether an `Authorization` header shows one of them.
    pub fn admit(&self, authorization: Option<&str>) -> bool {
        let shown = authorization.and_then(|value| value.split_once(' '));
        let shown = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, shown)) = shown else { return false };
        let shown = digest(shown);
        let is_one = |is_one: Choice, secret: &String| is_one | digest(secret).ct_eq(&shown);
        self.taken.iter().fold(Choice::from(0), is_one).into()
    }

    /// Keys for one purpose: what is signed for another one is not taken for it.
    pub fn keys(&self, purpose: &str) -> SigningKeys {
        let key = |secret: &String| {
            let shared = Key::new(HMAC_SHA256, secret.as_bytes());
            Key::new(HMAC_SHA256, sign(&shared, purpose.as_bytes()).as_ref())
        };
        SigningKeys(self.taken.iter().map(key).collect())
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.trim().as_bytes()).into()
}

/// Signs by the first, and takes what any has signed.
#[derive(Clone)]
pub struct SigningKeys(Vec<Key>);

impl SigningKeys {
    /// One that nobody else has, as long as this process lives.
    pub fn own() -> Result<Self, String> {
        let mut own = [0; 32];
        aws_lc_rs::rand::fill(&mut own).map_err(|_| "no random numbers".to_owned())?;
        Ok(Self(vec![Key::new(HMAC_SHA256, &own)]))
    }

    /// The tag of a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.first().map(|key| sign(key, message).as_ref().to_vec()).unwrap_or_default()
    }

    /// Whether a message was signed by one of them.
    pub fn have_signed(&self, message: &[u8], tag: &[u8]) -> bool {
        self.0.iter().any(|key| verify(key, message, tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Secrets {
        Secrets::of(text).unwrap()
    }

    #[test]
    fn the_first_is_shown_and_either_is_taken() {
        let both = of("new\n old \n");
        assert_eq!(both.shown(), "new");
        for (shown, is_taken) in [
            ("Bearer new", true),
            ("bearer old", true),
            ("Bearer other", false),
            ("Bearer ", false),
            ("Basic new", false),
            ("new", false),
        ] {
            assert_eq!(both.admit(Some(shown)), is_taken, "{shown}");
        }
        assert!(!both.admit(None));
    }

    #[test]
    fn a_file_without_a_secret_or_with_three_is_refused() {
        assert_eq!(Secrets::of(" \n\n").err().unwrap(), "is empty");
        assert!(Secrets::of("a\nb\nc").err().unwrap().contains("found 3"));
    }

    #[test]
    fn holders_understand_each_other_in_each_step_of_a_change() {
        let steps = ["old", "old\nnew", "new\nold", "new"].map(of);
        for pair in steps.windows(2) {
            for (one, other) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
                let tag = one.keys("p").sign(b"m");
                assert!(other.keys("p").have_signed(b"m", &tag));
                assert!(!other.keys("q").have_signed(b"m", &tag));
                assert!(other.admit(Some(&format!("Bearer {}", one.shown()))));
            }
        }
    }
}
