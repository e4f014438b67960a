use axum::http::HeaderValue;

use super::*;

const TOKEN: &str = "12345";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const FORM: &[u8] =
    b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
const SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

fn signed(signature: &str) -> HeaderMap {
    headers("x-twilio-signature", signature)
}

/// The example of Twilio's documentation, and the cases of its own libraries' tests.
#[test]
fn twilio_signatures_as_published() {
    let with_port = URL.replace(".com", ".com:1234");
    let plain = URL.replace("https", "http");
    let cases = [
        (URL, SIGNATURE),
        // The port that we name and they do not.
        (with_port.as_str(), SIGNATURE),
        // The port that they name and we do not.
        (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (plain.as_str(), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", "CukzLTc1tT5dXEDIHm/tKBanW10="),
        ("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
    ];
    for (url, signature) in cases {
        assert!(twilio(TOKEN, url, &signed(signature), FORM, true), "{url}");
    }
    let repeated = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
    assert!(twilio(TOKEN, URL, &signed("IK+Dwps556ElfBT0I3Rgjkr1wJU="), repeated, true));
}

#[test]
fn twilio_signs_other_bodies_by_their_hash() {
    let body = br#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let url = format!("{URL}&bodySHA256={hash}");
    let good = signed("a9nBmqA0ju/hNViExpshrM61xv4=");
    assert!(twilio(TOKEN, &url, &good, body, false));
    assert!(!twilio(TOKEN, &url, &good, br#"{"property": "other", "boolean": true}"#, false));
    // A signature of the URL alone covers no body.
    assert!(!twilio(TOKEN, URL, &signed("RSOYDt4T1cUTdK1PDd93/VVr8B8="), body, false));
}

#[test]
fn anything_else_is_not_twilio() {
    let altered = [
        b"Digits=1235&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE"
            .as_slice(),
        b"Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309",
        b"",
        b"Digits=%ff",
    ];
    for body in altered {
        assert!(!twilio(TOKEN, URL, &signed(SIGNATURE), body, true));
    }
    assert!(!twilio("12346", URL, &signed(SIGNATURE), FORM, true));
    assert!(!twilio(TOKEN, "https://mycompany.com/myapp.php?foo=1&bar=3", &signed(SIGNATURE), FORM, true));
    for signature in ["", "x", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "UlNPWUR0NFQxY1VUZEsxUERkOTMvVlZyOEI4PQ=="] {
        assert!(!twilio(TOKEN, URL, &signed(signature), FORM, true), "{signature}");
    }
    assert!(!twilio(TOKEN, URL, &HeaderMap::new(), FORM, true));
}

/// RFC 4231, test case 2.
#[test]
fn hashes_of_the_body() {
    let (key, body) = ("Jefe", b"what do ya want for nothing?");
    let hash = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let name = HeaderName::from_static("x-signature");
    let holds = |value: &str, prefix: &str, body: &[u8]| {
        hmac_sha256(key, &headers("x-signature", value), (&name, prefix), hex::decode, body)
    };
    assert!(holds(hash, "", body));
    assert!(holds(&hash.to_uppercase(), "", body));
    assert!(holds(&format!("sha256={hash}"), "sha256=", body));
    assert!(!holds(hash, "sha256=", body));
    assert!(!holds(hash, "", b"what do ya want for something?"));
    for value in ["", "5bdc", &hash[..62], "zz", "é"] {
        assert!(!holds(value, "", body), "{value}");
    }
    let base64 = STANDARD.encode(hex::decode(hash).unwrap());
    let in_base64 = headers("x-signature", &base64);
    assert!(hmac_sha256(key, &in_base64, (&name, ""), from_base64, body));
    assert!(!hmac_sha256("jefe", &in_base64, (&name, ""), from_base64, body));
}

#[test]
fn shared_secrets() {
    // RFC 7617, 2.
    let given = headers("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(basic("Aladdin", "open sesame", &given));
    assert!(!basic("Aladdin", "open", &given));
    assert!(!basic("aladdin", "open sesame", &given));
    assert!(!basic(
        "Aladdin",
        "open sesame",
        &headers("authorization", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    ));
    assert!(!basic("Aladdin", "open sesame", &HeaderMap::new()));
    let given = headers("authorization", "Bearer k-1");
    assert!(header("k-1", &given, (&AUTHORIZATION, "Bearer ")));
    assert!(!header("k-12", &given, (&AUTHORIZATION, "Bearer ")));
    assert!(!header("k-1", &given, (&AUTHORIZATION, "")));
}
