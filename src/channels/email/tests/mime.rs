//! The bytes: headers, line lengths, determinism, injection, signatures.

use proptest::prelude::*;

use super::mail;
use super::server::data;
use crate::channels::email::dkim::Signer;
use crate::channels::email::message::{Unbuildable, build};
use crate::channels::email::{DkimAlgorithm, DkimConfig, Email};
use crate::secret::Secret;

fn text(mail: &Email) -> String {
    String::from_utf8(build(mail).unwrap().bytes).unwrap()
}

#[test]
fn a_whole_mail() {
    insta::assert_snapshot!(text(&mail()).replace("\r\n", "\n"));
}

#[test]
fn without_the_optional_parts() {
    let bare = Email { unsubscribe_url: None, reply_to: None, from_name: String::new(), ..mail() };
    let bytes = text(&bare);
    assert!(!bytes.contains("List-Unsubscribe") && !bytes.contains("Reply-To"));
    assert!(bytes.starts_with("From: shop@shop.example\r\n"), "{bytes}");
}

#[test]
fn what_cannot_be_built() {
    let cases = [
        (Email { to: "alice".to_owned(), ..mail() }, Unbuildable::To),
        (Email { from: "a@b@c".to_owned(), ..mail() }, Unbuildable::From("a@b@c".to_owned())),
        (Email { reply_to: Some(String::new()), ..mail() }, Unbuildable::ReplyTo(String::new())),
        (Email { message_id: "a>\r\nX: y".to_owned(), ..mail() }, Unbuildable::MessageId),
        (
            Email { unsubscribe_url: Some("https://x/\r\nX: y".to_owned()), ..mail() },
            Unbuildable::UnsubscribeUrl,
        ),
        (Email { unsubscribe_url: Some("/u/abc".to_owned()), ..mail() }, Unbuildable::UnsubscribeUrl),
    ];
    for (mail, expected) in cases {
        assert_eq!(build(&mail).unwrap_err(), expected);
    }
}

proptest! {
    /// Whatever the words, the mail is well formed: CRLF only, lines below 998 octets, ASCII, exactly our
    /// headers, and the same bytes each time.
    #[test]
    fn any_words_make_a_well_formed_mail(
        subject in ".{0,300}", from_name in any::<String>(), html in any::<String>(), body in "(.|\r|\n){0,200}",
        long in 0..3000_usize,
    ) {
        let subject = subject + &"x".repeat(long);
        let from_name = from_name + &"\"".repeat(long / 10);
        let sent = Email { subject, from_name, html: html + &"y".repeat(long), text: body, ..mail() };
        let bytes = build(&sent).unwrap().bytes;
        prop_assert_eq!(&bytes, &build(&sent).unwrap().bytes);
        let bytes = String::from_utf8(bytes).unwrap();
        prop_assert!(bytes.is_ascii());
        prop_assert!(!bytes.replace("\r\n", "").contains(['\r', '\n']));
        prop_assert!(bytes.split("\r\n").all(|line| line.len() <= 998));
        let (head, _) = bytes.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        prop_assert_eq!(names, [
            "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe",
            "List-Unsubscribe-Post", "Auto-Submitted", "MIME-Version", "Content-Type",
        ]);
    }
}

fn key(algorithm: DkimAlgorithm, file: &str) -> DkimConfig {
    DkimConfig {
        domain: "shop.example".to_owned(),
        selector: "s1".to_owned(),
        algorithm,
        private_key: None,
        private_key_file: Some(data(file)),
    }
}

/// The signatures were verified once with dkimpy against the public keys; here they must stay the same.
#[test]
fn signatures() {
    let bytes = build(&mail()).unwrap().bytes;
    let sign =
        |algorithm, file| Signer::new(&key(algorithm, file)).unwrap().sign(&bytes, mail().date).unwrap();
    let rsa = sign(DkimAlgorithm::RsaSha256, "dkim-rsa.pem");
    assert_eq!(rsa, sign(DkimAlgorithm::RsaSha256, "dkim-rsa.pkcs1.pem"));
    let ed25519 = sign(DkimAlgorithm::Ed25519Sha256, "dkim-ed25519.pem");
    insta::assert_snapshot!(format!("{rsa}{ed25519}").replace("\r\n", "\n"));
}

#[test]
fn keys_that_cannot_sign() {
    let rsa = |file| key(DkimAlgorithm::RsaSha256, file);
    let given = |config: DkimConfig| DkimConfig { private_key: Some(Secret::new("MYSECRET")), ..config };
    let cases = [
        (rsa("nowhere.pem"), "cannot be read"),
        (rsa("README.md"), "not a private key in PEM"),
        (rsa("dkim-rsa-1024.pem"), "2048 to 8192 bits"),
        (rsa("dkim-ed25519.pem"), "not an RSA key"),
        (key(DkimAlgorithm::Ed25519Sha256, "dkim-rsa.pem"), "not an Ed25519 key"),
        (given(rsa("dkim-rsa.pem")), "given twice"),
        (DkimConfig { private_key_file: None, ..given(rsa("")) }, "not a private key in PEM"),
        (DkimConfig { private_key_file: None, ..rsa("") }, "is missing"),
        (DkimConfig { domain: "a; b".to_owned(), ..rsa("dkim-rsa.pem") }, "not a DNS name"),
    ];
    for (config, expected) in cases {
        let error = Signer::new(&config).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("MYSECRET"));
        if let Some(file) = config.private_key_file {
            assert!(error.contains(&file.display().to_string()), "{error}");
        }
    }
}
