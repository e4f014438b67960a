//! `declic preview`: a template as its reader would get it, on the terminal, in files, or on a page beside the editor.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::{Failure, environment};
use crate::active::Checked;
use crate::config::Config;
use crate::domain::diagnostic::{Diagnostic, SourceFile, did_you_mean, render};
use crate::domain::preview::{Preview, Previewer, Version};
use crate::domain::templates::Sample;
use crate::files;
use crate::ops::preview::{Look, Source, router};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The template: a folder of templates/
    template: String,
    /// Only this language (default: each that it is written in)
    #[arg(long, value_name = "LOCALE")]
    locale: Option<String>,
    /// A customer instead of the sample's: a file with a profile in JSON, or the id of one in the database
    #[arg(long, value_name = "FILE|ID")]
    customer: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes HTML and texts into DIR as well, one file each
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Shows it on a page that follows each save, until Ctrl-C: on telephone and desk, light and dark
    #[arg(long, conflicts_with_all = ["format", "out", "locale"])]
    open: bool,
    /// The page's port on this machine (default: a free one)
    #[arg(long, requires = "open", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Lets the page load pictures from where the mail has them
    #[arg(long, requires = "open")]
    pictures: bool,
    /// The folder that holds `rules/` and `templates/`
    #[arg(long, value_name = "DIR", default_value = ".")]
    rules: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Subject, text and SMS, as they are read
    Text,
    /// One JSON array with everything, HTML too
    Json,
}

pub async fn preview(config: Option<&Path>, args: Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let customer = match &args.customer {
        Some(customer) => Some(find_customer(&config, customer).await?),
        None => None,
    };
    let desk = Desk {
        folder: args.rules.clone(),
        template: args.template.clone(),
        customer,
        public_url: config.public.base_url(),
        now: config.clock().now(),
    };
    let files = files::read(&desk.folder)?;
    known(&args.template, &files)?;
    if args.open {
        return open(desk, args.port, args.pictures).await;
    }
    let (mut preview, findings) = desk.preview(&files);
    // What is wrong elsewhere is `check`'s to say.
    let own = format!("templates/{}/", args.template);
    let own: Vec<Diagnostic> = findings
        .into_iter()
        .filter(|found| found.path.starts_with(&own) || found.path.starts_with("templates/_"))
        .collect();
    eprint!("{}", render(&own, &files, false));
    if let Some(locale) = &args.locale {
        let written: Vec<String> = preview.versions.iter().map(|version| version.locale.clone()).collect();
        preview.versions.retain(|version| version.locale == *locale);
        if preview.versions.is_empty() {
            let words = format!("`{}` has no version that can be shown in `{locale}`", args.template);
            return Err(Failure::Refused(format!("{words}; it has {}", written.join(", "))));
        }
    }
    if let Some(folder) = &args.out {
        write(folder, &preview)
            .map_err(|e| Failure::Environment(format!("cannot write to {}: {e}", folder.display())))?;
    }
    match args.format {
        Format::Text => preview.versions.iter().for_each(|version| print!("{}", text(&preview, version))),
        Format::Json => {
            println!("{:#}", Value::from_iter(preview.versions.iter().flat_map(|v| rows(&preview, v))))
        }
    }
    let errors: Vec<&str> = preview.versions.iter().flat_map(Version::errors).collect();
    match (errors.is_empty(), preview.versions.is_empty()) {
        (true, false) => Ok(()),
        (true, true) => Err(Failure::Refused(format!("`{}` cannot be shown", args.template))),
        (false, _) => Err(Failure::Refused(errors.join("\n"))),
    }
}

/// What a preview is made of, each time anew.
struct Desk {
    folder: PathBuf,
    template: String,
    /// Instead of the sample's.
    customer: Option<Map<String, Value>>,
    public_url: String,
    now: DateTime<Utc>,
}

impl Desk {
    /// The template as it is in these files, and all that `check` finds in them.
    fn preview(&self, files: &[SourceFile]) -> (Preview, Vec<Diagnostic>) {
        let checked = Checked::new(files);
        // A sample that cannot be read is among the findings.
        let mut sample = Sample::of(&self.template, files).unwrap_or_default();
        if let Some(customer) = &self.customer {
            sample.customer = customer.clone();
        }
        let previewer = Previewer {
            rules: &checked.rules,
            templates: &checked.templates,
            public_url: &self.public_url,
            now: self.now,
        };
        (previewer.preview(&self.template, &sample), checked.diagnostics)
    }

    /// The same for the page. A folder that cannot be read, as in the middle of a save, is a finding.
    fn look(&self, version: u64) -> Look {
        let (files, unreadable) = match files::read(&self.folder) {
            Ok(files) => (files, String::new()),
            Err(error) => (Vec::new(), format!("error: {error}\n")),
        };
        let (preview, found) = self.preview(&files);
        let findings = if unreadable.is_empty() { render(&found, &files, false) } else { unreadable };
        Look { preview, findings, version }
    }
}

/// The template's folder must be there; whether what is in it compiles is seen later.
fn known(template: &str, files: &[SourceFile]) -> Result<(), Failure> {
    let mut names: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("templates/")?.split_once('/'))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with('_'))
        .collect();
    names.dedup();
    if names.contains(&template) {
        return Ok(());
    }
    let help = match did_you_mean(template, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "`declic new template NAME` writes one".to_owned(),
        None => format!("there are {}", names.join(", ")),
    };
    Err(Failure::Refused(format!("there is no template `{template}`; {help}")))
}

/// A profile in a file, or of a customer in the database.
async fn find_customer(config: &Config, customer: &str) -> Result<Map<String, Value>, Failure> {
    let path = Path::new(customer);
    if path.is_file() || path.extension().is_some_and(|extension| extension == "json") {
        let refused = |words: String| Failure::Refused(format!("{customer}: {words}"));
        let text = std::fs::read_to_string(path).map_err(|e| refused(format!("cannot be read: {e}")))?;
        return serde_json::from_str(&text).map_err(|e| refused(format!("is no profile in JSON: {e}")));
    }
    let store = environment::store(config).await?;
    let found = store.customer(customer).await.map_err(environment::failed)?;
    let found = found.ok_or_else(|| {
        Failure::Refused(format!("there is no file `{customer}`, and no customer of this id in the database"))
    })?;
    let mut profile = found.profile.current();
    profile.insert("id".to_owned(), customer.into());
    Ok(profile)
}

async fn open(desk: Desk, port: u16, pictures: bool) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|e| {
        Failure::Environment(format!("cannot listen on port {port}: {e} (choose another with --port)"))
    })?;
    let address = listener.local_addr().map_err(environment::failed)?;
    println!("{} is shown on http://{address} (Ctrl-C ends it)", desk.template);
    open_browser(&format!("http://{address}"));
    let folder = desk.folder.clone();
    // A folder that is away has a version of its own.
    let version = move || files::fingerprint(&folder).unwrap_or_default();
    let (version, last) = (Arc::new(version), Mutex::<Option<Look>>::new(None));
    let now = Arc::clone(&version);
    let look = move || {
        let version = now();
        // Four frames and their page ask for the same.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(look) if look.version == version => look.clone(),
            _ => last.insert(desk.look(version)).clone(),
        }
    };
    let served = axum::serve(listener, router(Source { look: Arc::new(look), version, pictures }));
    tokio::select! {
        result = served => result.map_err(environment::failed),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// Where there is a screen. That it does not open is no failure: the address is printed.
fn open_browser(url: &str) {
    let screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    if screen || cfg!(target_os = "macos") {
        let quiet = Command::new(opener)
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        drop(quiet);
    }
}

/// One language as it is read on a terminal.
fn text(preview: &Preview, version: &Version) -> String {
    let mut out = String::new();
    let head = format!("{} ({})", preview.template, version.locale);
    if let Some(Ok(mail)) = &version.email {
        out += &format!("{head}, e-mail\nSubject: {}\n\n{}\n\n", mail.subject, mail.text.trim_end());
    }
    if let Some(Ok(sms)) = &version.sms {
        let segments =
            if sms.segments == 1 { "1 segment".to_owned() } else { format!("{} segments", sms.segments) };
        let alphabet = sms.encoding.name();
        out += &format!(
            "{head}, SMS: {segments}, {alphabet}, {} characters\n\n{}\n\n",
            sms.text.chars().count(),
            sms.text
        );
    }
    out
}

/// One language as JSON, an object for each channel.
fn rows(preview: &Preview, version: &Version) -> Vec<Value> {
    let row = |channel: &str, error: Option<&String>, more: Value| {
        let mut row = json!({
            "template": preview.template, "locale": version.locale, "channel": channel, "rule": preview.rule,
            "purpose": preview.purpose, "error": error,
        });
        if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
            row.extend(more);
        }
        row
    };
    let email = version.email.as_ref().map(|mail| {
        let shown = mail.as_ref().ok();
        let more = json!({
            "subject": shown.map(|m| &m.subject), "text": shown.map(|m| &m.text), "html": shown.map(|m| &m.html),
        });
        row("email", mail.as_ref().err(), more)
    });
    let sms = version.sms.as_ref().map(|sms| {
        let shown = sms.as_ref().ok();
        let more = json!({
            "text": shown.map(|s| &s.text), "segments": shown.map(|s| s.segments),
            "encoding": shown.map(|s| s.encoding), "sender": shown.and_then(|s| s.sender.as_ref()),
        });
        row("sms", sms.as_ref().err(), more)
    });
    email.into_iter().chain(sms).collect()
}

/// `NAME.LOCALE.html`, `NAME.LOCALE.txt` and `NAME.LOCALE.sms.txt`.
fn write(folder: &Path, preview: &Preview) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for version in &preview.versions {
        let path =
            |extension: &str| folder.join(format!("{}.{}.{extension}", preview.template, version.locale));
        if let Some(Ok(mail)) = &version.email {
            std::fs::write(path("html"), &mail.html)?;
            std::fs::write(path("txt"), &mail.text)?;
        }
        if let Some(Ok(sms)) = &version.sms {
            std::fs::write(path("sms.txt"), &sms.text)?;
        }
    }
    Ok(())
}
