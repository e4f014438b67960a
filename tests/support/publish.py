"""Publishes events as a shop would: one CloudEvents object a line, to an exchange, with publisher confirms.

    publish.py --url AMQP_URL --exchange NAME [--mode structured|binary|mixed] [--connections N] FILE.ndjson

Modes (CloudEvents AMQP binding 1.0.2): `structured` sends the line with content type
`application/cloudevents+json`; `binary` sends `data` as the body and the attributes as headers. `mixed`
takes turns: structured, binary with `cloudEvents_`, the object as plain `application/json`, binary with
`cloudEvents:`. A line that is no JSON object goes out as it is, in structured mode, for dead-letter tests.

A line waits for the confirm of the line before. With several connections each does so with its part of the lines, at
the same time. The file name `-` reads standard input. Prints {"published": N, "unroutable": N}; exit 1 if any message
was refused by the broker or reached no queue.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor

try:
    import pika
except ModuleNotFoundError:
    sys.exit("python3-pika is not installed: run `make setup`")

MIXED = ("structured", "cloudEvents_", "plain", "cloudEvents:")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--exchange", required=True)
    parser.add_argument("--routing-key", help="default: the event's type")
    parser.add_argument("--mode", choices=["structured", "binary", "mixed"], default="structured")
    parser.add_argument("--prefix", choices=["cloudEvents_", "cloudEvents:"], default="cloudEvents_")
    parser.add_argument("--declare", metavar="TYPE", help="declare the exchange (durable) with this type")
    parser.add_argument("--declare-queue", metavar="NAME", help="declare a quorum queue and bind it by '#'")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("file")
    return parser.parse_args()


def message(line, shape, given_key):
    """The routing key, properties and body of one line in the given shape."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        return given_key or "", pika.BasicProperties("application/cloudevents+json", delivery_mode=2), line
    key = given_key or str(event.get("type", ""))
    name = str(event.get("id", "")) or None
    if shape in ("structured", "plain"):
        kind = "application/json" if shape == "plain" else "application/cloudevents+json"
        return key, pika.BasicProperties(kind, delivery_mode=2, message_id=name), line
    data = event.pop("data", None)
    kind = event.pop("datacontenttype", "application/json")
    headers = {shape + attribute: value for attribute, value in event.items()}
    body = b"" if data is None else json.dumps(data, ensure_ascii=False).encode()
    return key, pika.BasicProperties(kind, headers=headers, delivery_mode=2, message_id=name), body


def publish(args, numbered):
    """Publishes numbered lines on a connection of its own; how many were published, and how many reached no queue."""
    connection = pika.BlockingConnection(pika.URLParameters(args.url))
    channel = connection.channel()
    if args.declare:
        channel.exchange_declare(args.exchange, args.declare, durable=True)
    if args.declare_queue:
        channel.queue_declare(args.declare_queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(args.declare_queue, args.exchange, "#")
    channel.confirm_delivery()

    published = unroutable = 0
    for number, line in numbered:
        if args.mode == "mixed":
            shape = MIXED[number % len(MIXED)]
        else:
            shape = args.prefix if args.mode == "binary" else "structured"
        key, properties, body = message(line, shape, args.routing_key)
        try:
            # With confirms on, this returns once the broker has the message on its queues.
            channel.basic_publish(args.exchange, key, body, properties, mandatory=True)
            published += 1
        except (pika.exceptions.UnroutableError, pika.exceptions.NackError):
            unroutable += 1
    connection.close()
    return published, unroutable


def main():
    args = arguments()
    source = sys.stdin.buffer if args.file == "-" else open(args.file, "rb")
    with source:
        numbered = [(number, line) for number, line in enumerate(line.strip() for line in source) if line]
    size = max(1, -(-len(numbered) // args.connections))
    parts = [numbered[start:start + size] for start in range(0, len(numbered), size)] or [[]]
    with ThreadPoolExecutor(len(parts)) as pool:
        counts = list(pool.map(lambda part: publish(args, part), parts))
    published, unroutable = (sum(count) for count in zip(*counts))
    print(json.dumps({"published": published, "unroutable": unroutable}))
    return 1 if unroutable else 0


if __name__ == "__main__":
    sys.exit(main())
