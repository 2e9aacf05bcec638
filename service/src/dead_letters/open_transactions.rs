//! Waits until nothing of before is open in logs that are to be written to.
//!
//! What a run that was killed wrote is aborted when the next one registers. A broker may skip the marker of that in a log, and
//! what hangs there would belong to this producer's next transaction, and be committed with it: written twice. So nothing is
//! begun before the last stable offset of each log has reached the end that it had.

use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::{Bounds, Broker, Isolation};
use millstream::{Exit, TopicPartition};

use super::failed;
use crate::failed::Failed;

const AGAIN: Duration = Duration::from_millis(100);

/// See the module. Gives up after two of the longest transactions.
pub fn wait(broker: &dyn Broker, app: &str, logs: &[TopicPartition]) -> Result<(), Failed> {
    wait_for(broker, (app, 2 * broker.transaction_timeout()), logs)
}

pub(super) fn wait_for(
    broker: &dyn Broker,
    (app, patience): (&str, Duration),
    logs: &[TopicPartition],
) -> Result<(), Failed> {
    let mut whole = broker.consumer(app, Isolation::ReadUncommitted).map_err(failed)?;
    let mut stable = broker.consumer(app, Isolation::ReadCommitted).map_err(failed)?;
    let began = Instant::now();
    for log in logs {
        let Bounds { end, .. } = whole.bounds(log).map_err(failed)?;
        while stable.bounds(log).map_err(failed)?.end < end {
            if began.elapsed() > patience {
                let words = format!(
                    "{log}: a transaction hangs before offset {end}; nothing was appended, because its records might be committed with ours"
                );
                return Err(Failed(Exit::Mismatch, words));
            }
            thread::sleep(AGAIN);
        }
    }
    Ok(())
}
