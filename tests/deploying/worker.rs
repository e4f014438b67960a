//! A worker where it is deployed: what platforms ask it, and what it tells systemd.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::postgres::Postgres;
use crate::support::shop::{self, Shop, ask};
use crate::support::{Folder, free_port, run, wait_until};
use crate::{read, root, texts, yaml};

const TOKEN: &str = "a token that is long enough";

/// `declic run` on SQLite, with both listeners on all addresses, as in a container.
struct Worker {
    folder: Folder,
    admin: u16,
    child: Child,
}

impl Worker {
    fn start(environment: &[(&str, &str)]) -> Self {
        let folder = Folder::new("deployed");
        let (admin, public) = (free_port(), free_port());
        for part in ["rules", "templates"] {
            run(Command::new("cp").arg("-r").arg(root().join(part)).arg(folder.path()));
        }
        let configuration = format!(
            "[admin]\nlisten = \"0.0.0.0:{admin}\"\ntoken = \"{TOKEN}\"\n[public]\nlisten = \"0.0.0.0:{public}\"\n"
        );
        std::fs::write(folder.join("declic.toml"), configuration).expect("a configuration");
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command.arg("run").current_dir(folder.path()).env_clear().envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        Self { folder, admin, child }
    }

    fn declic(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().output().expect("it runs")
    }

    fn health(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.declic(&[&["health"], arguments].concat());
        let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code(), words.concat())
    }

    fn terminate(&mut self) -> Option<i32> {
        run(Command::new("/bin/kill").arg("-TERM").arg(self.child.id().to_string()));
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn its_own_command_and_every_probe_find_it_well() {
    let mut worker = Worker::start(&[]);
    let well = wait_until(Duration::from_secs(60), || worker.health(&[]).0 == Some(0));
    let (_, words) = worker.health(&[]);
    assert!(well, "{words}");
    for part in ["ok    database", "ok    scheduler", "ok    dispatcher"] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(worker.health(&["--live"]).0, Some(0));

    let container =
        &yaml("deploy/kubernetes/deployment.yaml")[0]["spec"]["template"]["spec"]["containers"][0];
    for (probe, path) in
        [("startupProbe", "/health/live"), ("livenessProbe", "/health/live"), ("readinessProbe", "/health")]
    {
        let asked = &container[probe]["httpGet"];
        assert_eq!((asked["path"].as_str(), asked["port"].as_str()), (Some(path), Some("admin")), "{probe}");
        let mut stream = TcpStream::connect(("127.0.0.1", worker.admin)).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 10.1.2.3:8025\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{probe}: {answer}");
        assert!(!answer.contains("database"), "without the token only yes or no: {answer}");
    }

    assert_eq!(worker.terminate(), Some(0));
    let (code, words) = worker.health(&[]);
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("no worker answers at http://127.0.0.1:"), "{words}");
}

#[test]
fn systemd_hears_that_it_is_ready_alive_and_stopping() {
    let folder = Folder::new("systemd");
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let path = path.display().to_string();
    let mut worker = Worker::start(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "300000")]);
    let heard = || {
        let mut word = [0; 512];
        let length = socket.recv(&mut word).expect("a word");
        String::from_utf8_lossy(&word[..length]).into_owned()
    };
    // Alive may come before ready: each is told by a part of its own.
    let mut words = vec![heard(), heard()];
    words.sort();
    assert!(words[0].starts_with("READY=1\nSTATUS=console on http://0.0.0.0:"), "{words:?}");
    assert_eq!(words[1], "WATCHDOG=1\n");
    assert_eq!(worker.health(&["--live"]).0, Some(0), "ready is when it can be asked");
    for _ in 0..3 {
        assert_eq!(heard(), "WATCHDOG=1\n");
    }
    assert_eq!(worker.terminate(), Some(0));
    let stopping = std::iter::repeat_with(heard).find(|word| word != "WATCHDOG=1\n");
    assert!(stopping.is_some_and(|word| word.starts_with("STOPPING=1\n")));
}

#[test]
fn compose_runs_it_against_real_servers() {
    let database = Postgres::shared().database();
    let mut shop = Shop::unmigrated(&database, "", "speed = 1.0");
    let ports = [
        ("0.0.0.0:8025", format!("0.0.0.0:{}", shop.admin)),
        ("0.0.0.0:8026", format!("0.0.0.0:{}", shop.public)),
        ("\"mailpit\"", "\"127.0.0.1\"".to_owned()),
        ("port = 1025", format!("port = {}", shop.sink.port)),
    ];
    let mut text = read("deploy/compose/declic.toml");
    for (there, here) in ports {
        assert!(text.contains(there), "{there}");
        text = text.replace(there, &here);
    }
    std::fs::write(shop.folder.join("declic.toml"), text).expect("a configuration");
    let services = &yaml("compose.yaml")[0]["services"];
    for (name, value) in services["declic"]["environment"].as_object().expect("variables") {
        let value = value.as_str().expect("a text");
        let broker = shop.broker.clone();
        let here = match name.as_str() {
            "DECLIC_DATABASE__URL" => &database,
            "DECLIC_AMQP__URL" => &broker,
            _ => value,
        };
        shop.set(name, here);
    }
    run(shop.declic().args(texts(&services["migrate"]["command"])));
    let mut command = shop.declic();
    let mut worker =
        shop::Worker::spawn(command.args(texts(&services["declic"]["command"])), shop.folder.join("log"));
    let healthy = || shop.declic().arg("health").output().is_ok_and(|asked| asked.status.success());
    let ready = wait_until(Duration::from_secs(120), || healthy() || !worker.is_running());
    assert!(ready && worker.is_running(), "{}", worker.log());

    let data = serde_json::json!({"email": "alice@example.com", "first_name": "Alice", "locale": "fr-FR"});
    let event = shop::event("1", "customer.signed_up", "alice", &crate::support::now(), data);
    let post = |authorization: &str| {
        let head = format!("POST /events HTTP/1.0\r\nHost: declic\r\nContent-Length: {}\r\n", event.len());
        let kind = "Content-Type: application/cloudevents+json\r\n";
        ask(shop.admin, &format!("{head}{kind}{authorization}\r\n{event}")).expect("an answer")
    };
    assert!(post("").contains(" 401 "));
    let token = services["declic"]["environment"]["DECLIC_ADMIN__TOKEN"].as_str().expect("a token");
    let answer = post(&format!("Authorization: Bearer {token}\r\n"));
    assert!(answer.contains(" 200 "), "{answer}");
    shop.sink.wait_for(1, Duration::from_secs(60));
    assert!(worker.terminate(Duration::from_secs(35)).success());
}
