//! One client's connection: a thread for each direction, frame by frame, or as bytes come where no Kafka is behind.
//!
//! The thread of the requests notes what shall become of which answer before it hands a request on, so the
//! answer cannot overtake the note.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::frame::{self, Frame};
use super::{Fault, Faults, Loss};

/// Late answers wait together: as many as were sent meanwhile.
const CHUNK_BYTES: usize = 256 << 10;

/// What both directions know.
struct Shared {
    id: u64,
    faults: Arc<Faults>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    client: Option<String>,
    /// Correlation ids of answers that are not to pass as they are.
    faults: HashMap<i32, Fault>,
}

/// Serves `client` until either side closes.
pub(super) fn serve(client: TcpStream, faults: &Arc<Faults>) -> io::Result<()> {
    let Some(broker) = faults.broker() else { return Ok(()) };
    let broker = TcpStream::connect(broker)?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let id = faults.opened([client.try_clone()?, broker.try_clone()?]);
    let known = Mutex::default();
    let shared = Arc::new(Shared { id, faults: Arc::clone(faults), known });

    let answering = Arc::clone(&shared);
    let (from, to) = (broker.try_clone()?, client.try_clone()?);
    let answers = thread::Builder::new().name("proxied-answers".into());
    answers.spawn(move || {
        let _ = match answering.faults.frames {
            true => answering.answers(from, &to),
            false => answering.bytes(from, &to, Faults::linger),
        };
        let _ = to.shutdown(Shutdown::Both);
    })?;

    let served = match faults.frames {
        true => shared.requests(client, &broker),
        false => shared.bytes(client, &broker, |_| {}),
    };
    let _ = broker.shutdown(Shutdown::Both);
    faults.ended(id);
    served
}

impl Shared {
    fn requests(&self, mut from: TcpStream, to: &TcpStream) -> io::Result<()> {
        while let Some(frame) = frame::read(&mut from)? {
            if let Some(request) = frame::request(&frame) {
                let fault = self.faults.requested(self.id, &request);
                let mut known = self.known();
                known.client = request.client;
                known.faults.extend(fault.map(|fault| (request.correlation, fault)));
            }
            self.hand_on(&frame, to)?;
        }
        Ok(())
    }

    fn answers(&self, mut from: TcpStream, to: &TcpStream) -> io::Result<()> {
        while let Some(frame) = frame::read(&mut from)? {
            self.faults.linger();
            let fault = frame::correlation(&frame).and_then(|id| self.known().faults.remove(&id));
            match fault {
                None => self.hand_on(&frame, to)?,
                Some(Fault::Rewrite(rewrite)) => self.hand_on(&rewrite(&frame), to)?,
                Some(Fault::Lose(loss)) => {
                    self.faults.lock().lost += 1;
                    match loss {
                        Loss::Break => return Ok(()),
                        Loss::Silence => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn bytes(
        &self,
        mut from: TcpStream,
        mut to: &TcpStream,
        before: fn(&Faults),
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = from.read(&mut chunk)?;
            let Some(read) = chunk.get(..length).filter(|read| !read.is_empty()) else {
                return Ok(());
            };
            before(&self.faults);
            self.faults.pass(None);
            to.write_all(read)?;
        }
    }

    fn hand_on(&self, frame: &Frame, mut to: &TcpStream) -> io::Result<()> {
        let client = self.known().client.clone();
        self.faults.pass(client.as_deref());
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let bytes = [length.to_be_bytes().as_slice(), frame].concat();
        to.write_all(&bytes)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
