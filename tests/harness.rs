//! The harness does what it says, on a real broker that is spoken to in raw frames.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use tests::{Api, Loss, Part, Proxy, Stack, Who, poll_until};

const API_VERSIONS: Api = Api(18);
const LONG: Duration = Duration::from_secs(60);

/// A connection that asks which versions the broker knows: the smallest request there is.
struct Client(TcpStream);

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self(stream)
    }

    fn ask(&mut self, correlation: u8) {
        let head = [0, 0, 0, 15, 0, 18, 0, 0, 0, 0, 0, correlation, 0, 5];
        self.0.write_all(&[&head[..], b"tests"].concat()).unwrap();
    }

    /// The correlation id of the next answer; `None` when the connection is broken.
    fn answer(&mut self) -> Option<u8> {
        let mut head = [0; 8];
        self.0.read_exact(&mut head).ok()?;
        let mut body = vec![0; usize::from(head[3]) + 256 * usize::from(head[2]) - 4];
        self.0.read_exact(&mut body).ok()?;
        Some(head[7])
    }

    /// The same, if it comes within a tenth of a second.
    fn answer_soon(&mut self) -> Option<u8> {
        self.0.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let answer = self.answer();
        self.0.set_read_timeout(Some(LONG)).unwrap();
        answer
    }
}

#[test]
fn a_proxy_before_any_server_hands_bytes_on_and_keeps_answers_back_when_told_to() {
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let proxy = Proxy::bind_plain().unwrap();
    proxy.forward_to(&server.local_addr().unwrap().to_string()).unwrap();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let (mut behind, _) = server.accept().unwrap();
    let mut heard = [0; 10];
    client.write_all(b"a question").unwrap();
    behind.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"a question");

    proxy.slow(LONG);
    behind.write_all(b"an answer.").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(client.read_exact(&mut heard).is_err());
    proxy.heal();
    client.set_read_timeout(Some(LONG)).unwrap();
    client.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"an answer.");
}

/// One broker serves all of it: starting one takes seconds.
#[test]
fn a_broker_behind_a_proxy_fails_when_told_to() {
    let proxy = Proxy::bind().unwrap();
    let mut stack = Stack::of(&[Part::Kafka]).behind(&proxy).start().unwrap();

    an_answer_passes_unchanged(&proxy);
    a_lost_answer_breaks_the_connection(&proxy);
    a_silent_loss_leaves_the_connection_usable(&proxy);
    a_fault_for_another_client_does_not_concern_this_one(&proxy);
    a_stalled_answer_arrives_after_the_healing(&proxy);
    a_cut_connection_is_broken(&proxy);

    a_killed_broker_comes_back_at_its_address(&mut stack);
    a_dropped_stack_leaves_no_process_behind(stack);
}

fn an_answer_passes_unchanged(proxy: &Proxy) {
    let mut client = Client::connect(&proxy.address());
    client.ask(1);
    assert_eq!(client.answer(), Some(1));
}

fn a_lost_answer_breaks_the_connection(proxy: &Proxy) {
    let mut client = Client::connect(&proxy.address());
    proxy.lose_next_answer(API_VERSIONS, Who::Everyone, Loss::Break);
    client.ask(2);
    assert_eq!((client.answer(), proxy.lost()), (None, 1));
}

fn a_silent_loss_leaves_the_connection_usable(proxy: &Proxy) {
    let mut client = Client::connect(&proxy.address());
    proxy.lose_next_answer(API_VERSIONS, Who::Client("tests".into()), Loss::Silence);
    client.ask(3);
    client.ask(4);
    assert_eq!((client.answer(), proxy.lost()), (Some(4), 2));
}

fn a_fault_for_another_client_does_not_concern_this_one(proxy: &Proxy) {
    let mut client = Client::connect(&proxy.address());
    proxy.stall(Who::Client("somebody else".into()));
    client.ask(5);
    assert_eq!(client.answer(), Some(5));
    proxy.heal();
}

fn a_stalled_answer_arrives_after_the_healing(proxy: &Proxy) {
    let mut client = Client::connect(&proxy.address());
    proxy.stall(Who::Everyone);
    client.ask(6);
    assert_eq!(client.answer_soon(), None);
    proxy.heal();
    assert_eq!(client.answer(), Some(6));
}

fn a_cut_connection_is_broken(proxy: &Proxy) {
    let mut client = Client::connect(&proxy.address());
    client.ask(7);
    assert_eq!(client.answer(), Some(7));
    proxy.cut(&Who::Everyone);
    assert_eq!(client.answer(), None);
}

fn a_killed_broker_comes_back_at_its_address(stack: &mut Stack) {
    let before = stack.kafka().to_owned();
    stack.kill(Part::Kafka).unwrap();
    assert!(TcpStream::connect(&before).is_err());
    stack.start(Part::Kafka).unwrap();
    let mut client = Client::connect(&before);
    client.ask(8);
    assert_eq!((client.answer(), stack.kafka()), (Some(8), before.as_str()));
}

fn a_dropped_stack_leaves_no_process_behind(stack: Stack) {
    let pid = std::fs::read_to_string(stack.dir().join("kafka.pid")).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    drop(stack);
    poll_until(LONG, || (!process.exists()).then_some(())).unwrap();
}
