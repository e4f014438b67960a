//! A server that gives every request the same answer, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method and the path.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub struct Listener {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Listener {
    pub fn start(status: &'static str, content_type: &'static str, answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let shared = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    while let Some(request) = read(&mut reader) {
                        shared.lock().expect("the list").push(request);
                        let head = format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n");
                        let head = format!("{head}Content-Length: {}\r\n\r\n", answer.len());
                        if (&stream).write_all(&[head.as_bytes(), answer].concat()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the list").clone()
    }
}

/// The next request of a connection; none at its end.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" if line.is_empty() => return None,
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut head = head.into_iter();
    let line = head.next()?;
    let headers: Vec<(String, String)> = head
        .filter_map(|line| line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().expect("a length"))];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line, headers, body })
}
