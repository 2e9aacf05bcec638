//! The id of the request at hand: what is answered bears it, and so does what is logged while it is worked on.

use tracing::Instrument;
use uuid::Uuid;

tokio::task_local! {
    static AT_HAND: Uuid;
}

/// What answers a request, under an id of its own.
pub async fn with_id<T>(answering: impl Future<Output = T>) -> T {
    let id = Uuid::new_v4();
    let span = tracing::info_span!("request", request_id = %id);
    AT_HAND.scope(id, answering.instrument(span)).await
}

/// The id of the request at hand; any where there is none.
pub fn request_id() -> Uuid {
    AT_HAND.try_with(|id| *id).unwrap_or_else(|_| Uuid::new_v4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_has_one_id_and_another_has_another() {
        let both = || async { (request_id(), request_id()) };
        let (first, second) = (with_id(both()).await, with_id(both()).await);
        assert_eq!((first.0, second.0), (first.1, second.1));
        assert_ne!(first.0, second.0);
    }
}
