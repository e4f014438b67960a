//! A link between a worker and a server that can be slow, cut, refused or half open.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a link behaves from now on, for what is open and what is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Open,
    /// Everything takes so long.
    Slow(Duration),
    /// New connections are closed at once.
    Refused,
}

#[derive(Default)]
struct State {
    mode: Option<Mode>,
    /// What is open, to be cut, and for each whether it has become a hole: nothing passes, and nobody is told.
    open: Vec<(TcpStream, TcpStream, Arc<AtomicBool>)>,
}

/// Listens for as long as the process lives; its links end with the servers.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let proxy = Self { port, state: Arc::default() };
        let links = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                links.connect(client, target);
            }
        });
        proxy
    }

    pub fn set(&self, mode: Mode) {
        self.state().mode = Some(mode);
    }

    /// Ends every open connection, from both sides.
    pub fn cut(&self) {
        for (client, server, _) in self.state().open.drain(..) {
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// From now on nothing passes on the connections that are open, and they stay open.
    pub fn swallow(&self) {
        for (.., hole) in &self.state().open {
            hole.store(true, Ordering::SeqCst);
        }
    }

    fn mode(&self) -> Mode {
        self.state().mode.unwrap_or(Mode::Open)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn connect(&self, client: TcpStream, target: u16) {
        if self.mode() == Mode::Refused {
            return;
        }
        // A server that is down is what a refused connection looks like.
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return };
        let hole = Arc::new(AtomicBool::new(false));
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        let copy = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        self.state().open.push((copy(&client), copy(&server), hole.clone()));
        for (from, to) in [(copy(&client), copy(&server)), (server, client)] {
            let (proxy, hole) = (self.clone(), hole.clone());
            std::thread::spawn(move || proxy.carry(from, to, &hole));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, hole: &AtomicBool) {
        let mut bytes = [0; 16 * 1024];
        loop {
            let count = match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if let Mode::Slow(delay) = self.mode() {
                std::thread::sleep(delay);
            }
            if hole.load(Ordering::SeqCst) {
                continue;
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        if !hole.load(Ordering::SeqCst) {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
        // Hundreds of seeds in one process would run out of handles.
        self.state().open.retain(|(.., other)| !std::ptr::eq(Arc::as_ptr(other), hole));
    }
}
