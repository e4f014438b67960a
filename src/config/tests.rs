//! Tables of files and environments, and what is made of them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A file, an environment, and the error they give.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// A folder of this test's own with a configuration file in it; gone when dropped.
struct Written(PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("declic_config_{}_{count}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let written = Self(folder);
        written.add("declic.toml", text);
        written
    }

    /// Writes a file beside the configuration and returns its path.
    fn add(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.0.join(name).display().to_string()
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let env = env.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        load(Some(&self.0.join("declic.toml")), env)
    }

    /// The error, with the folder taken out.
    fn error(&self, error: &ConfigError) -> String {
        error.to_string().replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn loaded(text: &str, env: &[(&str, &str)]) -> Config {
    Written::new(text).load(env).unwrap()
}

fn error_of(text: &str, env: &[(&str, &str)]) -> String {
    let written = Written::new(text);
    written.error(&written.load(env).expect_err("an error"))
}

/// What the section [smtp] is, once typed.
fn smtp_of(text: &str, env: &[(&str, &str)]) -> Smtp {
    loaded(text, env).section("smtp").unwrap().expect("a section")
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Smtp {
    host: String,
    port: u16,
    password: Option<Secret>,
    tags: Vec<String>,
    dkim: Vec<Dkim>,
}

impl Default for Smtp {
    fn default() -> Self {
        Self { host: "localhost".to_owned(), port: 587, password: None, tags: Vec::new(), dkim: Vec::new() }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dkim {
    selector: String,
    private_key: Secret,
}

#[test]
fn nothing_configured_is_embedded() {
    let config = loaded("", &[]);
    assert!(config.is_embedded());
    assert_eq!(config.public.base_url(), "http://127.0.0.1:8026");
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:8025");
    assert_eq!((config.worker.lease_s, config.worker.shutdown_deadline_s), (120, 25));
    assert_eq!(config.worker.rules_dir, PathBuf::from("."));
    assert_eq!((config.clock.start, config.clock.speed), (None, 1.0));
    assert_eq!(config.section::<Smtp>("smtp").unwrap(), None);
}

#[test]
fn the_environment_lies_over_the_file() {
    let text = r#"
        [database]
        url = "postgres://shop@db/declic"
        max_connections = 5
        [public]
        base_url = "https://news.example.com/"
        [clock]
        start = 2026-11-22T10:00:00+01:00
        [smtp]
        host = "smtp.example.com"
        tags = ["a"]
    "#;
    let env = [
        ("DECLIC_DATABASE__MAX_CONNECTIONS", "20"),
        ("DECLIC_SMTP__PORT", "2525"),
        ("DECLIC_SMTP__HOST", "relay.example.com"),
        ("DECLIC_SMTP__PASSWORD", "0123456"),
        ("DECLIC_SMTP__TAGS", r#"["b", "c"]"#),
        ("DECLIC_SECRET", "an example of a secret"),
        ("DECLIC_CLOCK__SPEED", "60"),
        ("DECLIC_ADMIN__LISTEN", "0.0.0.0:9000"),
        ("DECLIC_ADMIN__TOKEN", "1234567890123456"),
        ("DECLIC_AMQP__URL", "amqp://guest:guest@localhost/"),
        // Not ours: unset, a platform's, another program's.
        ("DECLIC_WORKER__LEASE_S", ""),
        ("DECLIC_PORT", "tcp://10.0.0.1:80"),
        ("SMTP__PORT", "1"),
    ];
    let config = loaded(text, &env);
    assert!(!config.is_embedded());
    assert_eq!(config.database.max_connections, 20);
    assert_eq!(config.database.url.as_ref().unwrap().expose(), "postgres://shop@db/declic");
    assert_eq!(config.public.base_url(), "https://news.example.com");
    assert_eq!(config.clock.start.unwrap().to_rfc3339(), "2026-11-22T09:00:00+00:00");
    assert_eq!(config.clock.speed, 60.0);
    assert_eq!(config.admin.listen.port(), 9000);
    assert_eq!(config.admin.token.as_ref().unwrap().expose(), "1234567890123456");
    assert!(!format!("{config:?}").contains("1234567890123456"));
    assert_eq!(config.worker.lease_s, Worker::default().lease_s);
    let smtp = config.section::<Smtp>("smtp").unwrap().unwrap();
    assert_eq!((smtp.host.as_str(), smtp.port), ("relay.example.com", 2525));
    assert_eq!(smtp.tags, ["b", "c"]);
    assert_eq!(smtp.password.unwrap().expose(), "0123456");
}

#[test]
fn values_that_look_like_toml_stay_text_where_text_is_wanted() {
    for value in
        ["12345678", "1e5", "true", "0x1F", "2026-11-22", "[1, 2]", "{ a = 1 }", "[unclosed", "a = b", "é#1"]
    {
        let smtp = smtp_of("", &[("DECLIC_SMTP__PASSWORD", value)]);
        assert_eq!(smtp.password.unwrap().expose(), value);
    }
}

#[test]
fn secrets_come_from_files() {
    let text = "
        secret_file = 'secret'
        [smtp]
        password_file = 'password'
        [[smtp.dkim]]
        selector = 's1'
        private_key_file = 'key'
    ";
    let written = Written::new(text);
    let path = written.add("password", "hunter2\n");
    written.add("secret", "  an example of a secret \n");
    written.add("key", "-----BEGIN KEY-----\nabc\n-----END KEY-----\n");
    let config = written.load(&[]).unwrap();
    assert_eq!(config.secret.as_ref().unwrap().expose(), "an example of a secret");
    let smtp = config.section::<Smtp>("smtp").unwrap().unwrap();
    assert_eq!(smtp.password.unwrap().expose(), "hunter2");
    assert_eq!(smtp.dkim[0].private_key.expose().lines().count(), 3);

    // The environment overrides, in either form.
    let config = written.load(&[("DECLIC_SMTP__PASSWORD", "other")]).unwrap();
    let smtp = config.section::<Smtp>("smtp").unwrap().unwrap();
    assert_eq!(smtp.password.unwrap().expose(), "other");
    let smtp = smtp_of("[smtp]\npassword = 'old'", &[("DECLIC_SMTP__PASSWORD_FILE", &path)]);
    assert_eq!(smtp.password.unwrap().expose(), "hunter2");
}

#[test]
fn errors_say_where_and_what() {
    let cases: &[Case] = &[
        ("[smpt]", &[], "declic.toml:1:2: unknown key `smpt`; did you mean `smtp`?"),
        (
            "[database]\n\n  max_conections = 3",
            &[],
            "declic.toml:3:3: unknown key `max_conections` in [database]; did you mean `max_connections`?",
        ),
        (
            "[admin]\ncolour = 1",
            &[],
            "declic.toml:2:1: unknown key `colour` in [admin]; known are listen, token",
        ),
        (
            "",
            &[("DECLIC_WORKER__LEASES_S", "3")],
            "environment variable DECLIC_WORKER__LEASES_S: unknown key `leases_s` in [worker]; did you mean `lease_s`?",
        ),
        (
            "",
            &[("DECLIC_SMPT__HOST", "x")],
            "environment variable DECLIC_SMPT__HOST: unknown key `smpt`; did you mean `smtp`?",
        ),
        (
            "[worker]\nlease_s = '2m'",
            &[],
            "declic.toml:2:1: `worker.lease_s`: invalid type: string \"2m\", expected u64",
        ),
        (
            "[worker]\nlease_s = 5",
            &[("DECLIC_WORKER__LEASE_S", "soon")],
            "environment variable DECLIC_WORKER__LEASE_S: `worker.lease_s`: invalid type: string \"soon\", expected u64",
        ),
        ("[worker]\nlease_s = 0", &[], "declic.toml:2:1: `worker.lease_s` must be at least 1"),
        (
            "worker = 1",
            &[("DECLIC_WORKER__LEASE_S", "5")],
            "environment variable DECLIC_WORKER__LEASE_S: `worker` is a key, not a section",
        ),
        (
            "",
            &[("DECLIC_WORKER__", "5")],
            "environment variable DECLIC_WORKER__: write it like DECLIC_SECTION__KEY",
        ),
        ("secret = 'short'", &[], "declic.toml:1:1: the secret is shorter than 16 characters"),
        ("secret = 12345", &[], "declic.toml:1:1: `secret` must be a text"),
        ("[admin]\ntoken = 'short'", &[], "declic.toml:2:1: `admin.token` is shorter than 16 characters"),
        ("[admin]\ntoken = 12345", &[], "declic.toml:2:1: `admin.token` must be a text"),
        (
            "[admin]\nlisten = '0.0.0.0:8025'",
            &[],
            "declic.toml:2:1: `admin.listen` is 0.0.0.0:8025, which other machines reach, and whoever reaches it can read \
             and change customers: give it an `admin.token` of 16 characters or more (DECLIC_ADMIN__TOKEN; `openssl rand \
             -base64 32` makes one), or listen on 127.0.0.1",
        ),
        (
            "[database]\nurl = 'mysql://root:hunter2@db'",
            &[],
            "declic.toml:2:1: the database's URL begins with `postgres://` or `sqlite:`",
        ),
        (
            "[public]\nbase_url = 'news.example.com'",
            &[],
            "declic.toml:2:1: `public.base_url`: not a base URL: write it like https://news.example.com",
        ),
        (
            "[clock]\nstart = '2026-11-22'",
            &[],
            "declic.toml:2:1: `clock.start`: not an instant: write it like 2026-11-22T10:00:00Z, with its offset",
        ),
        ("[clock]\nspeed = 0.0", &[], "declic.toml:2:1: `clock.speed` must be a number above 0"),
        (
            "[public]\nlisten = '127.0.0.1:8025'",
            &[],
            "declic.toml:2:1: `public.listen` and `admin.listen` are both 127.0.0.1:8025",
        ),
        ("secret_file = 'missing'", &[], "declic.toml:1:1: cannot read missing"),
        (
            "secret = 'an example of a secret'\nsecret_file = 'x'",
            &[],
            "declic.toml:2:1: both `secret` and `secret_file` are given; one is enough",
        ),
    ];
    for (text, env, expected) in cases {
        assert_eq!(error_of(text, env), *expected, "{text}");
    }
    let syntax = error_of("[smtp]\npassword = 'hunter2", &[]);
    assert!(syntax.starts_with("declic.toml:2:") && !syntax.contains("hunter2"), "{syntax}");
    let missing = load(Some(Path::new("/nonexistent/declic.toml")), std::iter::empty()).unwrap_err();
    assert_eq!(missing.to_string(), "configuration: cannot read /nonexistent/declic.toml");
}

#[test]
fn errors_in_sections_typed_later_are_as_exact() {
    let smtp = |text: &str, env: &[(&str, &str)]| {
        let written = Written::new(text);
        written.error(&written.load(env).unwrap().section::<Smtp>("smtp").expect_err("an error"))
    };
    let cases: &[Case] = &[
        ("[smtp]\nprot = 25", &[], "declic.toml:2:1: unknown key `prot` in [smtp]; did you mean `port`?"),
        (
            "[smtp]\nport = 99999",
            &[],
            "declic.toml:2:1: `smtp.port`: invalid value: integer `99999`, expected u16",
        ),
        ("[smtp]\npassword = ['hunter2']", &[], "declic.toml:2:1: `smtp.password` must be a text"),
        (
            "[smtp]\n[[smtp.dkim]]\nselector = 's1'",
            &[],
            "declic.toml:2:1: `private_key` is missing in [smtp.dkim[0]]",
        ),
        (
            "[smtp]\nport = 25",
            &[("DECLIC_SMTP__HOSTS", "x")],
            "environment variable DECLIC_SMTP__HOSTS: unknown key `hosts` in [smtp]; did you mean `host`?",
        ),
    ];
    for (text, env, expected) in cases {
        assert_eq!(smtp(text, env), *expected, "{text}");
    }
    let config = loaded("[worker]\nlease_s = 5", &[]);
    let error = config.invalid("worker.lease_s", "shorter than a send").to_string();
    assert!(error.ends_with("declic.toml:2:1: shorter than a send"), "{error}");
}

#[test]
fn nothing_secret_is_shown() {
    let text = "
        secret = 'hunter2 hunter2 hunter2'
        [database]
        url = 'postgres://shop:hunter2@db/declic'
        [smtp]
        password = 'hunter2'
    ";
    let config = loaded(text, &[("DECLIC_AMQP__URL", "amqp://shop:hunter2@mq/")]);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn encryption_needs_a_secret_from_outside() {
    let on = "[database]\nencrypt_profiles = true\n";
    let error = error_of(on, &[]);
    assert!(error.starts_with("declic.toml:2:1: `encrypt_profiles` needs a `secret`"), "{error}");
    let secret = [("DECLIC_SECRET", "a secret of sixteen")];
    assert!(loaded(on, &secret).database.encrypt_profiles);
    assert!(!loaded("", &secret).database.encrypt_profiles);
}
