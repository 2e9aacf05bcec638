//! A caller of the product's routes: one kept connection, one request at a time, no more of HTTP than that.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::{Broken, Result};

const WAIT: Duration = Duration::from_secs(20);

/// A connection.
#[derive(Debug)]
pub(crate) struct Caller {
    stream: BufReader<TcpStream>,
    token: String,
    body: Vec<u8>,
}

impl Caller {
    /// Connects; every request carries `token`.
    pub(crate) fn connect(to: SocketAddr, token: &str) -> Result<Self> {
        let broken = |cause| Broken::while_doing("connect", cause);
        let stream = TcpStream::connect(to).map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        stream.set_read_timeout(Some(WAIT)).map_err(broken)?;
        Ok(Self { stream: BufReader::new(stream), token: token.to_owned(), body: Vec::new() })
    }

    /// Status and body of a read.
    pub(crate) fn get(&mut self, path: &str) -> Result<(u16, &[u8])> {
        let token = &self.token;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n");
        self.exchange(&request)
    }

    /// Status and body of a write of JSON.
    pub(crate) fn post(&mut self, path: &str, json: &str) -> Result<(u16, &[u8])> {
        let (token, length) = (&self.token, json.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}"
        );
        self.exchange(&request)
    }

    fn exchange(&mut self, request: &str) -> Result<(u16, &[u8])> {
        let broken = |cause| Broken::while_doing("request", cause);
        self.stream.get_mut().write_all(request.as_bytes()).map_err(broken)?;
        let mut line = String::new();
        self.stream.read_line(&mut line).map_err(broken)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Broken::while_doing("answer", &line))?;
        let mut length = 0;
        while line.trim_end() != "" {
            line.clear();
            self.stream.read_line(&mut line).map_err(broken)?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).map_err(broken)?;
        Ok((status, &self.body))
    }
}
