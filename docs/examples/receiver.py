"""Receives events of the gateway and verifies their signatures, with Python's standard library alone.

WEBHOOK_SECRET=whsec_… python3 receiver.py
"""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE_SECONDS = 300

# An event can arrive more than once. In a real service, store its id in the transaction that handles it.
handled = set()


def is_genuine(headers, body):
    message, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    # The signature is over the bytes, so the body is verified before it is parsed.
    signed = f"{message}.{timestamp}.".encode() + body
    code = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest())
    # During a rotation there are two signatures.
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(b"v1," + code, one.encode()) for one in given)


def handle(event):
    print("verified", event["type"], event["data"]["id"], flush=True)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not is_genuine(self.headers, body):
            return self.answer(401)
        message = self.headers["webhook-id"]
        if message not in handled:
            handle(json.loads(body))
        handled.add(message)
        # Answer within 15 seconds; do slow work afterwards.
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "4000"))
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print("listening on port", port, flush=True)
    server.serve_forever()
