//! The SMPP channel against a message centre that is not ours: the server of the npm package `smpp` (`smsc.js`).

mod incoming;
mod load;
mod sessions;
mod smsc;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use declic::channels::sms::{Incoming, IncomingSink};
use declic::channels::{Answer, Smpp, SmppConfig, Sms};
use declic::clock::Clock;
use declic::domain::sms::Encoding;

/// What came in, and how often it is refused first.
#[derive(Clone, Default)]
pub struct Kept {
    items: Arc<Mutex<Vec<Incoming>>>,
    calls: Arc<AtomicUsize>,
}

impl Kept {
    /// A sink that fails at each call whose number, from 0, `fails` says yes to.
    pub fn sink(&self, fails: fn(usize) -> bool) -> IncomingSink {
        let kept = self.clone();
        Arc::new(move |items| {
            let kept = kept.clone();
            Box::pin(async move {
                if fails(kept.calls.fetch_add(1, Ordering::SeqCst)) {
                    return Err("the database is away".to_owned());
                }
                kept.items.lock().unwrap().extend(items);
                Ok(())
            })
        })
    }

    pub fn items(&self) -> Vec<Incoming> {
        self.items.lock().unwrap().clone()
    }
}

/// A channel that keeps its sessions up until it is dropped.
pub struct Running {
    pub smpp: Smpp,
    pub task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn start(config: &SmppConfig, sink: IncomingSink) -> Running {
    let smpp = Smpp::new(config, sink, Clock::Real).expect("a good configuration");
    let running = smpp.clone();
    Running { smpp, task: tokio::spawn(async move { running.run().await }) }
}

/// One message to one number; the id follows from the number.
pub fn sms(to: &str, text: &str) -> Sms {
    let plain = text.chars().all(|c| c.is_ascii() && !"`".contains(c) || "éèùàÇ€£".contains(c));
    Sms {
        message_id: format!("{:0>32}", to.trim_start_matches('+')),
        from: Some("Boutique".into()),
        to: to.to_owned(),
        text: text.to_owned(),
        encoding: if plain { Encoding::Gsm7 } else { Encoding::Ucs2 },
        segments: 1,
        expires_at: Clock::Real.now() + TimeDelta::hours(1),
        leave_by: Clock::Real.now() + TimeDelta::hours(1),
        customer_id: String::new(),
        rule: String::new(),
        locale: String::new(),
        purpose: String::new(),
        trace: None,
    }
}

/// The answer in one word.
pub fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted { .. } => "accepted",
        Answer::Retry { .. } => "retry",
        Answer::Busy { .. } => "busy",
        Answer::Wait { .. } => "wait",
        Answer::Refused { bad_address: true, .. } => "bad address",
        Answer::Refused { bad_address: false, .. } => "refused",
        Answer::ProviderRefused { .. } => "provider refused",
        Answer::Uncertain { .. } => "uncertain",
        Answer::Invalid { .. } => "invalid",
    }
}
