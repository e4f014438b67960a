"""A mail server for tests: keeps every mail it accepts, and misbehaves when asked to.

Writes to --dir, for the N-th mail accepted (from 1): N.eml, as received, and then N.json, the envelope:
    {"n", "from", "to": [...], "mail_options": [...], "peer_port", "tls", "login", "answered", "at"}
("at": seconds since the epoch), once it listens, `port`, and in `connections` one byte for each. "answered" is false for a mail that was accepted without telling the client.

A recipient's or sender's local part can ask for trouble (a trailing "+anything" keeps addresses apart):
    rcpt-550-5.1.1@…        RCPT TO is answered "550 5.1.1 …"; so is any other code
    once-451-4.7.1@…        the same, the first time this address is seen; accepted afterwards (greylisting)
    data-554-5.7.1@…        the mail is refused after its final dot
    drop@…                  the mail is kept, and the connection closed without an answer
    stall@…                 the mail is kept, and never answered
    slow-300@…              the answer after the final dot takes 300 ms
    mail-550-5.7.1@…        (as sender) MAIL FROM is refused

A file `behave.json` in --dir changes it for everybody, at any time:
    {"connect": "554 5.7.1 go away", "mail": "…", "rcpt": "…", "data": "…"}

Options: --login USER:PASSWORD wants AUTH; --cert and --key offer STARTTLS, or with --implicit-tls speak TLS
at once; --per-connection N says 421 to the mail after the N-th of one connection.
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import time

try:
    from aiosmtpd.smtp import SMTP, AuthResult, sslproto
except ModuleNotFoundError:
    sys.exit("python3-aiosmtpd is not installed: run `make setup`")


class EagerTls(sslproto.SSLProtocol):
    """Python 3.11 makes the transport below TLS on demand, but aiosmtpd 1.4.3 wants it at once; without it,
    STARTTLS begins a second greeting."""

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        if hasattr(self, "_get_app_transport"):
            self._get_app_transport()


sslproto.SSLProtocol = EagerTls


def asked(address):
    """The words of an address's local part: "rcpt-550-5.1.1+a@x" gives ["rcpt", "550", "5.1.1"]."""
    return address.rsplit("@", 1)[0].split("+", 1)[0].split("-")


def reply(words):
    """"550 5.1.1 …" out of ["rcpt", "550", "5.1.1"]."""
    return " ".join(words[1:] + ["as the address asks for"])


class Sink:
    """What happens to one mail; called by aiosmtpd."""

    def __init__(self, folder, per_connection):
        self.folder = folder
        self.per_connection = per_connection
        self.count = 0
        self.seen = set()

    def everybody(self, stage):
        """What `behave.json` says about this stage, if there is such a file."""
        try:
            with open(os.path.join(self.folder, "behave.json"), encoding="utf-8") as file:
                return json.load(file).get(stage)
        except FileNotFoundError:
            return None

    async def handle_MAIL(self, server, session, envelope, address, options):
        if answer := self.everybody("mail"):
            return answer
        words = asked(address)
        if words[0] == "mail" and len(words) > 1:
            return reply(words)
        mails = getattr(session, "mails", 0)
        if self.per_connection and mails >= self.per_connection:
            asyncio.get_running_loop().call_later(0.05, server.transport.close)
            return "421 4.7.0 enough for one connection"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender accepted"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if answer := self.everybody("rcpt"):
            return answer
        words = asked(address)
        if len(words) > 1 and (words[0] == "rcpt" or words[0] == "once" and address not in self.seen):
            self.seen.add(address)
            return reply(words)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 recipient accepted"

    async def handle_DATA(self, server, session, envelope):
        if answer := self.everybody("data"):
            return answer
        words = [asked(address) for address in envelope.rcpt_tos]
        for word in words:
            if word[0] == "data" and len(word) > 1:
                return reply(word)
        silent = [word[0] for word in words if word[0] in ("drop", "stall")]
        number = self.keep(server, session, envelope, answered=not silent)
        if "drop" in silent:
            server.transport.abort()
        if silent:
            await asyncio.sleep(3600)
        for word in words:
            if word[0] == "slow" and len(word) > 1:
                await asyncio.sleep(int(word[1]) / 1000)
        session.mails = getattr(session, "mails", 0) + 1
        return f"250 2.0.0 kept as {number}"

    def keep(self, server, session, envelope, answered):
        """Writes the mail, then the envelope; each appears whole or not at all."""
        self.count += 1
        facts = {
            "n": self.count,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "mail_options": envelope.mail_options,
            "peer_port": session.peer[1],
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "login": getattr(session, "login_name", None),
            "answered": answered,
            "at": time.time(),
        }
        self.write(f"{self.count}.eml", envelope.content)
        self.write(f"{self.count}.json", json.dumps(facts).encode())
        return self.count

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path + ".part", "wb") as file:
            file.write(content)
        os.rename(path + ".part", path)


class Server(SMTP):
    """aiosmtpd's server, able to refuse at the greeting."""

    async def _handle_client(self):
        with open(os.path.join(self.event_handler.folder, "connections"), "ab") as file:
            file.write(b".")
        if answer := self.event_handler.everybody("connect"):
            await self.push(answer)
            self.transport.close()
            return
        await super()._handle_client()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--login")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--per-connection", type=int, default=0)
    args = parser.parse_args()

    tls = None
    if args.cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.cert, args.key)

    def authenticate(server, session, envelope, mechanism, data):
        name, password = data.login.decode(), data.password.decode()
        session.login_name = name
        # Not handled: aiosmtpd is to give the answer.
        return AuthResult(success=f"{name}:{password}" == args.login, handled=False)

    sink = Sink(args.dir, args.per_connection)
    loop = asyncio.get_running_loop()

    def connection():
        return Server(
            sink, hostname="sink.test", enable_SMTPUTF8=True, loop=loop,
            tls_context=None if args.implicit_tls else tls,
            authenticator=authenticate if args.login else None,
            auth_required=bool(args.login), auth_require_tls=False)

    listener = await loop.create_server(
        connection, "127.0.0.1", 0, ssl=tls if args.implicit_tls else None)
    sink.write("port", str(listener.sockets[0].getsockname()[1]).encode())
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
