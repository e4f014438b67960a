use super::*;

fn keys(secret: &[u8]) -> Keys {
    Keys::new(secret, [])
}

fn unsubscribe() -> Unsubscribe {
    Unsubscribe {
        customer_id: "c-42".into(),
        channel: Channel::Email,
        purpose: "marketing".into(),
        message_id: "0".repeat(32),
    }
}

fn preferences() -> Preferences {
    Preferences { customer_id: "c-42".into(), message_id: "0".repeat(32) }
}

fn confirmation() -> Confirmation {
    Confirmation {
        customer_id: "c-42".into(),
        channel: Channel::Sms,
        purpose: "newsletter".into(),
        message_id: "0".repeat(32),
        mailed_at: "2026-03-02T09:00:00.000123Z".parse().unwrap(),
        expires_at: "2026-04-01T09:00:00Z".parse().unwrap(),
    }
}

/// Which kinds a token opens as.
fn opens(token: &str, keys: &Keys) -> [bool; 3] {
    [
        Unsubscribe::open(token, keys).is_some(),
        Preferences::open(token, keys).is_some(),
        Confirmation::open(token, keys).is_some(),
    ]
}

#[test]
fn each_kind_opens_as_itself_alone() {
    let keys = keys(b"secret");
    let tokens =
        [unsubscribe().seal(b"secret"), preferences().seal(b"secret"), confirmation().seal(b"secret")];
    assert_eq!(opens(&tokens[0], &keys), [true, false, false]);
    assert_eq!(opens(&tokens[1], &keys), [false, true, false]);
    assert_eq!(opens(&tokens[2], &keys), [false, false, true]);
    assert_eq!(Unsubscribe::open(&tokens[0], &keys), Some(unsubscribe()));
    assert_eq!(Preferences::open(&tokens[1], &keys), Some(preferences()));
    assert_eq!(Confirmation::open(&tokens[2], &keys), Some(confirmation()));
}

#[test]
fn the_kind_cannot_be_rewritten() {
    let keys = keys(b"secret");
    for token in
        [unsubscribe().seal(b"secret"), preferences().seal(b"secret"), confirmation().seal(b"secret")]
    {
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        let json = bytes.iter().position(|b| *b == b'{').unwrap();
        for head in [&[1][..], &[2], &[2, b'p'], &[2, b'c'], &[3], &[]] {
            let forged = URL_SAFE_NO_PAD.encode([head, &bytes[json..]].concat());
            assert_eq!(opens(&forged, &keys) == [false; 3], forged != token, "{head:?}");
        }
    }
}

#[test]
fn opens_nothing_that_was_touched() {
    let keys = keys(b"secret");
    for token in
        [unsubscribe().seal(b"secret"), preferences().seal(b"secret"), confirmation().seal(b"secret")]
    {
        for place in 0..token.len() {
            let mut tampered = token.clone().into_bytes();
            tampered[place] = if tampered[place] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert_eq!(opens(&tampered, &keys), [false; 3], "at {place}");
        }
        assert_eq!(opens(&token, &self::keys(b"other")), [false; 3]);
    }
    for junk in ["", "A", "AQ", "été", &"A".repeat(5000)] {
        assert_eq!(opens(junk, &keys), [false; 3]);
    }
}

#[test]
fn secrets_that_were_replaced_still_open() {
    let rotated = Keys::new(b"third", [b"second".to_vec(), b"first".to_vec()]);
    assert_eq!(rotated.first(), b"third");
    for secret in [&b"first"[..], b"second", b"third"] {
        assert_eq!(Unsubscribe::open(&unsubscribe().seal(secret), &rotated), Some(unsubscribe()));
        assert_eq!(Confirmation::open(&confirmation().seal(secret), &rotated), Some(confirmation()));
    }
    assert_eq!(Unsubscribe::open(&unsubscribe().seal(b"fourth"), &rotated), None);
}

/// A link from a mail that the first release sent.
#[test]
fn the_first_layout_opens_for_ever() {
    let token = "AXsiYyI6ImMtNDIiLCJoIjoiZW1haWwiLCJwIjoibWFya2V0aW5nIiwibSI6IjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIn0";
    let body = URL_SAFE_NO_PAD.decode(token).unwrap();
    let mut tag = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    tag.update(b"declic unsubscribe");
    tag.update(&body);
    let tag = tag.finalize().into_bytes();
    let sealed = URL_SAFE_NO_PAD.encode([&body[..], &tag[..16]].concat());
    assert_eq!(sealed, unsubscribe().seal(b"secret"));
    assert_eq!(Unsubscribe::open(&sealed, &keys(b"secret")), Some(unsubscribe()));
}

#[test]
fn a_confirmation_has_an_end() {
    let link = confirmation();
    assert!(!link.has_expired("2026-04-01T08:59:59Z".parse().unwrap()));
    assert!(link.has_expired("2026-04-01T09:00:00Z".parse().unwrap()));
}
