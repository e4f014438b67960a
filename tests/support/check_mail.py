"""Reads the mails of a folder (*.eml) with Python's own parser: what another program makes of them.

Prints one JSON object a line, ordered by file name as a number:
    file, message_id, from, to, subject, date (RFC 3339, UTC), list_unsubscribe, list_unsubscribe_post,
    auto_submitted, headers (names, in lower case), content_type, parts (content types of the leaves), text, html, dkim,
    defects

`defects` gathers what the parser found and what RFC 5322 asks beyond it: bare line feeds, lines over 998
octets, bytes outside ASCII in headers, a header missing or there twice. With --dkim-txt RECORD, `dkim` tells
whether the signature verifies against that DNS record (else it is null). Exit 1 if any mail has a defect.
"""

import argparse
import datetime
import email
import email.policy
import json
import pathlib
import re
import sys

# RFC 5322 section 3.6: From and Date must be there; none of these may be there twice.
ONCE = ("from", "to", "date", "subject", "message-id", "reply-to", "sender", "mime-version")
REQUIRED = ("from", "to", "date", "subject", "message-id", "mime-version")


def defects(raw, mail):
    found = []
    for part in mail.walk():
        found += [f"{type(defect).__name__}: {defect}" for defect in part.defects]
        for name, value in part.items():
            found += [f"{name}: {type(defect).__name__}" for defect in getattr(value, "defects", ())]
    if re.search(rb"(?<!\r)\n", raw) or re.search(rb"\r(?!\n)", raw):
        found.append("a line does not end in CRLF")
    if any(len(line) > 998 for line in raw.split(b"\r\n")):
        found.append("a line is longer than 998 octets")
    head = raw.split(b"\r\n\r\n", 1)[0]
    if not head.isascii():
        found.append("a header holds bytes outside ASCII")
    for name in REQUIRED:
        if mail[name] is None:
            found.append(f"{name} is missing")
    for name in ONCE:
        if len(mail.get_all(name, [])) > 1:
            found.append(f"{name} is there twice")
    return found


def header(mail, name):
    return None if mail[name] is None else str(mail[name])


def body(mail, kind):
    part = mail.get_body(preferencelist=(kind,))
    return None if part is None else part.get_content().replace("\r\n", "\n")


def verify(raw, record):
    if record is None:
        return None
    try:
        import dkim
    except ModuleNotFoundError:
        sys.exit("python3-dkim is not installed: run `make setup`")
    return dkim.verify(raw, dnsfunc=lambda *_args, **_named: record.encode())


def describe(path, record):
    raw = path.read_bytes()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    date = mail["date"].datetime.astimezone(datetime.timezone.utc) if mail["date"] else None
    return {
        "file": path.name,
        "message_id": header(mail, "message-id"),
        "from": header(mail, "from"),
        "to": header(mail, "to"),
        "subject": header(mail, "subject"),
        "date": date.strftime("%Y-%m-%dT%H:%M:%SZ") if date else None,
        "list_unsubscribe": header(mail, "list-unsubscribe"),
        "list_unsubscribe_post": header(mail, "list-unsubscribe-post"),
        "auto_submitted": header(mail, "auto-submitted"),
        "headers": [name.lower() for name in mail.keys()],
        "content_type": mail.get_content_type(),
        "parts": [part.get_content_type() for part in mail.walk() if not part.is_multipart()],
        "text": body(mail, "plain"),
        "html": body(mail, "html"),
        "dkim": verify(raw, record),
        "defects": defects(raw, mail),
    }


def order(path):
    return (0, int(path.stem), "") if path.stem.isdigit() else (1, 0, path.stem)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dkim-txt", metavar="RECORD")
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    bad = False
    for path in sorted(args.folder.glob("*.eml"), key=order):
        facts = describe(path, args.dkim_txt)
        bad = bad or bool(facts["defects"])
        print(json.dumps(facts, ensure_ascii=False))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
