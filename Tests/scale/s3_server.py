#!/usr/bin/env python3
"""An S3 server for tests: moto's, behind a check of every signature and checksum, and with failures to order.

    s3_server.py PORTFILE [--address 127.0.0.1] [--certificate PEM --key PEM]

It takes a free port and writes it to PORTFILE. The one user is KEY with SECRET. Buckets are made by PUT /BUCKET, signed.
Orders, which are not signed:
    POST /_order {"failures": 3, "slow": 0.5, "full": false, "cut": 0, "away": false}
        failures  the next so many requests are answered 500
        rate      this part of the requests is answered 500 or 503, at random
        slow      seconds that every answer takes longer
        full      uploads are refused as on a full store
        cut       the next so many downloads end after half of their bytes
        away      connections are closed without an answer
    GET /_state   {"requests": ..., "uploads": [unfinished multipart uploads], "keys": [...]}
"""
import argparse
import hashlib
import json
import logging
import random
import re
import socket
import sys
import threading
import time
from urllib.parse import parse_qs

KEY, SECRET = "enlargekey", "enlarge/secret+key"

# Clients that are killed, and moto's own 500 where a key goes while it lists, are part of the tests.
logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
from botocore.auth import S3SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from moto.s3.models import s3_backends  # noqa: E402
from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402


def error(status, code, message):
    return status, "<Error><Code>%s</Code><Message>%s</Message></Error>" % (code, message)


class Checked:
    """The application: checks, orders, then moto."""

    def __init__(self, inner):
        self.inner, self.lock, self.requests = inner, threading.Lock(), 0
        self.began = {}
        self.order = {"failures": 0, "rate": 0.0, "slow": 0.0, "full": False, "cut": 0, "away": False}
        self.random = random.Random(8)

    def take(self, name):
        with self.lock:
            if self.order[name] <= 0:
                return False
            self.order[name] -= 1
            return True

    def refusal(self, environ, body):
        """Why the request is not answered by moto, if so."""
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if not authorization.startswith("AWS4-HMAC-SHA256 "):
            return error("403 Forbidden", "AccessDenied", "the request is not signed")
        fields = dict(f.strip().split("=", 1) for f in authorization[17:].split(","))
        key, _, region, service, _ = fields["Credential"].split("/")
        if key != KEY or service != "s3":
            return error("403 Forbidden", "InvalidAccessKeyId", "there is no such user")
        signed = fields["SignedHeaders"].split(";")
        headers = {}
        for name in signed:
            variable = name.upper().replace("-", "_")
            headers[name] = environ.get("HTTP_" + variable, environ.get(variable))
        left_out = [n for n in environ if n.startswith("HTTP_X_AMZ_") and n[5:].replace("_", "-").lower() not in signed]
        if left_out or "host" not in signed:
            return error("403 Forbidden", "AccessDenied", "not signed: %s" % left_out)
        request = AWSRequest(method=environ["REQUEST_METHOD"], url="http://" + environ["HTTP_HOST"] + environ["RAW_URI"], headers=headers)
        request.context["timestamp"] = environ["HTTP_X_AMZ_DATE"]
        auth = S3SigV4Auth(Credentials(KEY, SECRET), "s3", region)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        if auth.signature(text, request) != fields["Signature"]:
            print("canonical request:\n" + auth.canonical_request(request), file=sys.stderr, flush=True)
            return error("403 Forbidden", "SignatureDoesNotMatch", "the signature is another one")
        if hashlib.sha256(body).hexdigest() != environ.get("HTTP_X_AMZ_CONTENT_SHA256"):
            return error("400 Bad Request", "XAmzContentSHA256Mismatch", "the body has another sum")
        if self.take("failures") or self.random.random() < self.order["rate"]:
            return error(*self.random.choice([("500 Internal Server Error", "InternalError"), ("503 Slow Down", "SlowDown")]), "try again")
        # moto answers 500 to parts of an upload that is over.
        upload = parse_qs(environ.get("QUERY_STRING", "")).get("uploadId", [None])[0]
        if upload and not any(upload in b.multiparts for b in s3_backends["123456789012"]["aws"].buckets.values()):
            return error("404 Not Found", "NoSuchUpload", "the upload is over")
        if self.order["full"] and environ["REQUEST_METHOD"] in ("PUT", "POST"):
            return error("507 Insufficient Storage", "XMinioStorageFull", "the store is full")
        return None

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if path == "/_order":
            self.order.update(json.loads(body))
            start_response("200 OK", [])
            return [b""]
        if path == "/_state":
            backend = s3_backends["123456789012"]["aws"]
            state = {"requests": self.requests, "keys": [], "uploads": []}
            for bucket in backend.buckets.values():
                state["keys"] += list(bucket.keys.keys())
                state["uploads"] += [u.key_name for u in bucket.multiparts.values()]
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(state).encode()]
        with self.lock:
            self.requests += 1
        if self.order["away"]:
            raise ConnectionError("away")
        if self.order["slow"]:
            time.sleep(self.order["slow"])
        refusal = self.refusal(environ, body)
        if refusal:
            start_response(refusal[0], [("Content-Type", "application/xml")])
            return [refusal[1].encode()] if environ["REQUEST_METHOD"] != "HEAD" else []
        import io
        environ["wsgi.input"] = io.BytesIO(body)
        # moto does not act on it.
        match = environ.get("HTTP_IF_MATCH")
        held = {}

        def begin(status, headers, exc_info=None):
            held["status"], held["headers"] = status, headers
        pieces = list(self.inner(environ, begin))
        tag = dict((k.lower(), v) for k, v in held["headers"]).get("etag")
        if match and tag and match != tag:
            start_response("412 Precondition Failed", [])
            return [b"<Error><Code>PreconditionFailed</Code><Message>another ETag</Message></Error>"]
        data = b"".join(pieces)
        # moto's uploads all began in 2010.
        if environ["REQUEST_METHOD"] == "POST" and environ.get("QUERY_STRING") == "uploads=":
            self.began[re.search(rb"<UploadId>([^<]+)", data)[1]] = time.time()
        elif environ["REQUEST_METHOD"] == "GET" and "uploads=" in environ.get("QUERY_STRING", ""):
            for upload, moment in self.began.items():
                text = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment)).encode()
                data = re.sub(rb"(<UploadId>" + re.escape(upload) + rb"</UploadId>.*?<Initiated>)[^<]*", rb"\g<1>" + text, data, flags=re.S)
            held["headers"] = [h for h in held["headers"] if h[0].lower() != "content-length"] + [("Content-Length", str(len(data)))]
        start_response(held["status"], held["headers"])
        if environ["REQUEST_METHOD"] == "GET" and held["status"].startswith("20") and len(data) > 100 and b"<" != data[:1] and self.take("cut"):
            return Cut(data[:len(data) // 2])
        return [data]


class Cut:
    """A body that breaks off."""

    def __init__(self, data):
        self.data = data

    def __iter__(self):
        yield self.data
        raise ConnectionError("cut")


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass

    def connection_dropped(self, *_):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client has gone


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("portfile")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    options = parser.parse_args()
    application = Checked(DomainDispatcherApplication(create_backend_app))
    tls = (options.certificate, options.key) if options.certificate else None
    server = make_server(options.address, 0, application, threaded=True, request_handler=Handler, ssl_context=tls)
    server.handle_error = lambda *_: None
    with open(options.portfile + ".new", "w") as file:
        file.write(str(server.port))
    import os
    os.rename(options.portfile + ".new", options.portfile)
    server.serve_forever()


if __name__ == "__main__":
    main()
