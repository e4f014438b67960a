//! A mail server that misbehaves as it is told, and knows every mail whose final dot has reached it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::random::Random;

/// A mail whose final dot came.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The local part of its Message-ID: the message's id.
    pub id: String,
    /// The recipient's address.
    pub to: String,
    /// When the dot had come.
    pub at: Instant,
    /// Whether the client was told 250.
    pub told: bool,
}

/// One of the ways in which a server can be of no help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mischief {
    /// The connection ends after the dot, without an answer.
    DropAfterDot,
    /// It ends in the middle of the mail.
    DropInData,
    LaterAtRcpt,
    LaterAtDot,
    /// No answer to the dot for longer than anyone waits.
    StallAfterDot,
    CloseAtMail,
    GarbageAtRcpt,
    GarbageAfterDot,
    BusyAtConnect,
}

const ALL: [Mischief; 9] = [
    Mischief::DropAfterDot,
    Mischief::DropInData,
    Mischief::LaterAtRcpt,
    Mischief::LaterAtDot,
    Mischief::StallAfterDot,
    Mischief::CloseAtMail,
    Mischief::GarbageAtRcpt,
    Mischief::GarbageAfterDot,
    Mischief::BusyAtConnect,
];

struct State {
    random: Random,
    /// One mail in so many meets mischief; none when zero.
    one_in: u64,
    taken: Vec<Taken>,
}

#[derive(Clone)]
pub struct Mailbox {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Mailbox {
    pub fn start(random: Random) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let state = State { random, one_in: 0, taken: Vec::new() };
        let mailbox = Self { port, state: Arc::new(Mutex::new(state)) };
        let server = mailbox.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A client that goes away ends its thread with an error that says no more than that.
                std::thread::spawn(move || drop(server.serve(&stream)));
            }
        });
        mailbox
    }

    /// From now on one mail in `one_in` meets mischief; none when it is zero.
    pub fn behave(&self, one_in: u64) {
        self.state().one_in = one_in;
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.state().taken.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn mischief(&self) -> Option<Mischief> {
        let mut state = self.state();
        let one_in = state.one_in;
        (one_in > 0 && state.random.one_in(one_in)).then(|| *state.random.pick(&ALL))
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut out = stream;
        let mut say = |words: &str| out.write_all(format!("{words}\r\n").as_bytes());
        let mut mischief = self.mischief();
        if mischief == Some(Mischief::BusyAtConnect) {
            return say("421 4.3.2 too busy");
        }
        say("220 chaos ESMTP")?;
        let mut to = String::new();
        while let Some(line) = lines.next().transpose()? {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => say("250-chaos\r\n250 8BITMIME")?,
                "MAIL" => {
                    mischief = self.mischief();
                    if mischief == Some(Mischief::CloseAtMail) {
                        return Ok(());
                    }
                    say("250 2.1.0 go on")?;
                }
                "RCPT" => match mischief {
                    _ if line.contains("nobody") => say("550 5.1.1 nobody lives here")?,
                    Some(Mischief::LaterAtRcpt) => say("451 4.7.1 later")?,
                    Some(Mischief::GarbageAtRcpt) => say("xyzzy plugh")?,
                    _ => {
                        let address = line.split(['<', '>']).nth(1);
                        to = address.unwrap_or_default().to_owned();
                        say("250 2.1.5 go on")?;
                    }
                },
                "DATA" => {
                    say("354 go on")?;
                    let mut id = String::new();
                    let mut count = 0;
                    loop {
                        let Some(line) = lines.next().transpose()? else { return Ok(()) };
                        if line == "." {
                            break;
                        }
                        if let Some(rest) = line.strip_prefix("Message-ID: <") {
                            id = rest.split('@').next().unwrap_or_default().to_owned();
                        }
                        count += 1;
                        if mischief == Some(Mischief::DropInData) && count > 3 {
                            return stream.shutdown(Shutdown::Both);
                        }
                    }
                    match mischief {
                        Some(Mischief::LaterAtDot) => say("451 4.3.0 later")?,
                        Some(Mischief::DropAfterDot) => {
                            self.keep(&id, &to, false);
                            return stream.shutdown(Shutdown::Both);
                        }
                        Some(Mischief::GarbageAfterDot) => {
                            self.keep(&id, &to, false);
                            say("xyzzy plugh")?;
                        }
                        Some(Mischief::StallAfterDot) => {
                            self.keep(&id, &to, false);
                            std::thread::sleep(Duration::from_secs(3));
                            return Ok(());
                        }
                        _ => {
                            // Kept first, told then: told and not kept would be a lie.
                            let place = self.keep(&id, &to, true);
                            if say("250 2.0.0 kept").is_err() {
                                self.state().taken[place].told = false;
                            }
                        }
                    }
                }
                "RSET" | "NOOP" => say("250 2.0.0 done")?,
                "QUIT" => return say("221 2.0.0 goodbye"),
                _ => say("502 5.5.1 what?")?,
            }
        }
        Ok(())
    }

    fn keep(&self, id: &str, to: &str, told: bool) -> usize {
        let mut state = self.state();
        state.taken.push(Taken { id: id.to_owned(), to: to.to_owned(), at: Instant::now(), told });
        state.taken.len() - 1
    }
}
