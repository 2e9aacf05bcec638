//! What a test does to Redis, in the words of its protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::World;

impl World {
    /// Redis forgets everything.
    pub fn flush_redis(&self) {
        self.redis(b"FLUSHALL\r\n");
    }

    /// Redis has this value under `key`.
    pub fn set_in_redis(&self, key: &str, value: &[u8]) {
        let head = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), value.len());
        self.redis(&[head.as_bytes(), value, b"\r\n"].concat());
    }

    /// What Redis has under `key`; nothing if it has none.
    pub fn redis_value(&self, key: &str) -> Vec<u8> {
        let address = self.stack.redis().trim_start_matches("redis://");
        let stream = TcpStream::connect(address).unwrap();
        (&stream).write_all(format!("GET {key}\r\n").as_bytes()).unwrap();
        let mut answer = BufReader::new(&stream);
        let mut head = String::new();
        answer.read_line(&mut head).unwrap();
        let length = head.trim().trim_start_matches('$').parse().unwrap_or(0);
        let mut value = vec![0; length];
        answer.read_exact(&mut value).unwrap();
        value
    }

    /// Redis has nothing under `key`.
    pub fn delete_in_redis(&self, key: &str) {
        let address = self.stack.redis().trim_start_matches("redis://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("DEL {key}\r\n").as_bytes()).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b":1\r\n");
    }

    /// Redis does what it is told, and says that it is well.
    pub fn redis(&self, command: &[u8]) {
        let address = self.stack.redis().trim_start_matches("redis://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(command).unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }
}
