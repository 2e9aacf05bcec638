//! The query of a request: parameters by name, each given once.

use std::collections::BTreeMap;

use super::Fault;

/// The parameters of `query`, and a fault for each that is given twice. Values are taken as they are: no parameter of
/// these routes needs an escape.
pub fn parameters(query: &str) -> (BTreeMap<&str, &str>, Vec<Fault>) {
    let mut given = BTreeMap::new();
    let mut faults = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if given.insert(name, value).is_some() {
            faults.push(Fault::of(name, "is given twice"));
        }
    }
    (given, faults)
}

/// The number that a value is in plain digits.
pub fn number<N: std::str::FromStr>(value: &str) -> Option<N> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// Says that a parameter should be `expected`.
pub fn fault(name: &str, value: &str, expected: &str) -> Fault {
    Fault::of(name, format!("expected {expected}, found {value:?}"))
}
