//! A private RabbitMQ: one node with its own `epmd`, and a virtual host for each test.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm};

use super::kept::{Kept, Plan};
use super::{Folder, free_port, needed, unique, wait_until};

/// The account that RabbitMQ runs under when we are root.
const USER: &str = "rabbitmq";
/// The real programs; those in `/usr/sbin` are wrappers that insist on the system's own node.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The `guest:guest` account that a new node has, good from loopback only.
const AUTHORIZATION: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

/// The queue that keeps a copy of outcomes.
const KEPT: &str = "kept-outcomes";

/// Published before the first of them is waited for.
const PUBLISHED_AT_ONCE: usize = 1_000;

/// Publishes events to the exchange that workers read from, as fast as the broker confirms them; each must reach a queue.
pub async fn publish(url: &str, events: &[String]) {
    let (connection, channel) = publisher(url).await;
    for some in events.chunks(PUBLISHED_AT_ONCE) {
        let mut confirms = Vec::new();
        for event in some {
            confirms.push(send(&channel, event).await);
        }
        for confirm in confirms {
            is_taken(confirm).await;
        }
    }
    let _ = connection.close(200, "done".into()).await;
}

/// A channel with confirms, for [`send`].
pub async fn publisher(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    (connection, channel)
}

/// Publishes one event; whether it was taken is still to be heard, by [`is_taken`].
pub async fn send(channel: &Channel, event: &str) -> PublisherConfirm {
    let properties = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_delivery_mode(2);
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let sent =
        channel.basic_publish("declic.events".into(), "any".into(), options, event.as_bytes(), properties);
    sent.await.expect("published")
}

/// Waits for the broker's word that it has an event on a queue.
pub async fn is_taken(confirm: PublisherConfirm) {
    let confirmed = confirm.await.expect("confirmed");
    assert!(matches!(confirmed, Confirmation::Ack(None)), "taken and routed");
}

/// A running node, with the management and consistent-hash plugins.
pub struct Rabbit {
    // Dropped first: the server goes before its folder.
    server: Option<Kept>,
    folder: Folder,
    ports: Ports,
}

#[derive(Clone, Copy)]
struct Ports {
    amqp: u16,
    management: u16,
    distribution: u16,
    epmd: u16,
}

impl Rabbit {
    /// The node that all tests of this binary share; started when first asked for (some 10 s).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Rabbit> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A node of one's own, for tests that crash or stop it.
    pub fn start() -> Self {
        needed(SERVER);
        // Other processes can take a port between our look and RabbitMQ's bind.
        for _ in 0..3 {
            let folder = Folder::new("mq");
            let [amqp, management, distribution, epmd] = [(); 4].map(|()| free_port());
            let mut rabbit =
                Self { server: None, folder, ports: Ports { amqp, management, distribution, epmd } };
            rabbit.configure();
            if rabbit.launch() {
                return rabbit;
            }
        }
        panic!("RabbitMQ did not start in three tries");
    }

    /// A fresh virtual host; returns its AMQP URL. It goes with the node.
    pub fn vhost(&self) -> String {
        let name = unique("test");
        let (status, body) = self.api("PUT", &format!("/vhosts/{name}"), "{}").expect("the management port");
        assert!(status == 201 || status == 204, "creating virtual host {name}: {status} {body}");
        self.url(&name)
    }

    /// The URL of a virtual host by name.
    pub fn url(&self, vhost: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", self.ports.amqp)
    }

    /// Asks the management interface (`path` without `/api`); returns the status and the body.
    pub fn api(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.management))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        // HTTP/1.0: the answer comes in one piece and ends with the connection.
        write!(
            stream,
            "{method} /api{path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: {AUTHORIZATION}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        Ok((status, body))
    }

    /// Keeps a copy of every outcome of a shop from now on, for [`Rabbit::outcomes`].
    pub fn keep_outcomes(&self, vhost: &str) {
        for (method, path, body) in [
            ("PUT", format!("/exchanges/{vhost}/declic.outcomes"), r#"{"type":"topic","durable":true}"#),
            ("PUT", format!("/queues/{vhost}/{KEPT}"), r#"{"durable":true}"#),
            ("POST", format!("/bindings/{vhost}/e/declic.outcomes/q/{KEPT}"), r##"{"routing_key":"#"}"##),
        ] {
            let (status, words) = self.api(method, &path, body).expect("the management port");
            assert!((200..300).contains(&status), "{method} {path}: {status} {words}");
        }
    }

    /// The ids of the outcomes that the shop was told, as often as it was told each.
    pub fn outcomes(&self, vhost: &str) -> Vec<String> {
        let id =
            |event: &serde_json::Value| event["id"].as_str().expect("a CloudEvent with an id").to_owned();
        self.outcome_events(vhost).iter().map(id).collect()
    }

    /// The outcomes that the shop was told, as they came.
    pub fn outcome_events(&self, vhost: &str) -> Vec<serde_json::Value> {
        let ask = r#"{"count":1000000,"ackmode":"ack_requeue_true","encoding":"auto"}"#;
        let path = format!("/queues/{vhost}/{KEPT}/get");
        let (_, body) = self.api("POST", &path, ask).expect("the management port");
        let got: Vec<serde_json::Value> =
            serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        let event = |message: &serde_json::Value| serde_json::from_str(message["payload"].as_str()?).ok();
        got.iter().map(|message| event(message).expect("a CloudEvent")).collect()
    }

    /// Closes every client connection from the broker's side, as an operator or a failing network would.
    pub fn close_connections(&self) {
        let (_, body) = self.api("GET", "/connections", "").expect("the management port");
        let connections: Vec<serde_json::Value> = serde_json::from_str(&body).expect("a list of connections");
        for name in connections.iter().filter_map(|c| c["name"].as_str()) {
            let path = format!("/connections/{}", name.replace(' ', "%20").replace('>', "%3E"));
            self.api("DELETE", &path, "").expect("the management port");
        }
    }

    /// Where the broker listens.
    pub fn port(&self) -> u16 {
        self.ports.amqp
    }

    /// The server's process id.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Kept::pid)
    }

    /// Kills the node without warning, as a crash would. `start_again` brings it back.
    ///
    /// RabbitMQ 3.10 writes the name of a new quorum queue to disk some time after declaring it. Killed
    /// before that, it has the queue but cannot reach it ("timeout"), which is not what a test is about: let
    /// a second or two pass between declaring a queue and this. Confirmed messages are safe at once.
    pub fn crash(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal("KILL");
            server.stop();
        }
    }

    /// Starts a crashed node on its old ports and files; fails unless it recovers.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "the node still runs");
        assert!(self.launch(), "RabbitMQ did not come back");
    }

    fn configure(&self) {
        let Ports { amqp, management, .. } = self.ports;
        let configuration = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management}\ncollect_statistics_interval = 1000\n"
        );
        let plugins = "[rabbitmq_consistent_hash_exchange,rabbitmq_management].";
        for (name, text) in [("rabbitmq.conf", configuration.as_str()), ("enabled_plugins", plugins)] {
            std::fs::write(self.folder.join(name), text).expect("our own folder");
        }
        self.folder.give_to(USER);
    }

    /// Starts the node and waits until it takes connections; false when it ended instead.
    fn launch(&mut self) -> bool {
        let Ports { amqp, distribution, epmd, .. } = self.ports;
        let path = |name: &str| self.folder.join(name).display().to_string();
        let env = [
            ("HOME", self.folder.path().display().to_string()),
            ("RABBITMQ_NODENAME", format!("t{amqp}@localhost")),
            ("RABBITMQ_NODE_PORT", amqp.to_string()),
            ("RABBITMQ_DIST_PORT", distribution.to_string()),
            ("ERL_EPMD_PORT", epmd.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_MNESIA_BASE", path("mnesia")),
            ("RABBITMQ_LOG_BASE", path("logs")),
            ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
            ("RABBITMQ_PID_FILE", path("pid")),
            // Nothing of the system's own node may leak in.
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ];
        // epmd runs in the same process group, in the foreground, so that it ends with the node; left to
        // itself, Erlang would start one as a daemon that outlives the tests.
        let start = format!("epmd & exec {SERVER}");
        let command = [OsStr::new("sh"), OsStr::new("-c"), OsStr::new(&start)];
        let plan =
            Plan { command: &command, env: &env, user: Some(USER), stop: "KILL", folder: self.folder.path() };
        let server = Kept::start(&plan);
        let mut ready = false;
        wait_until(Duration::from_secs(120), || {
            ready = TcpStream::connect(("127.0.0.1", amqp)).is_ok()
                && matches!(self.api("GET", "/health/checks/virtual-hosts", ""), Ok((200, _)));
            ready || !server.alive()
        });
        if !ready && server.alive() {
            panic!("RabbitMQ was not ready within two minutes:\n{}", server.log());
        }
        if ready {
            self.server = Some(server);
        } else {
            eprintln!("RabbitMQ ended while starting:\n{}", server.log());
            server.stop();
        }
        ready
    }
}
