"""What an operator does to a queue with other tools: requests to a nats-server in its text protocol, and JetStream's API."""
import json
import socket


class Operator:
    def __init__(self, address, port, login=""):
        """- login: fields of the JSON object that a client introduces itself with."""
        self.socket = socket.create_connection((address, port), timeout=10)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # what the server says of itself
        self.socket.sendall(b'CONNECT {"verbose": false, "pedantic": false%s}\r\n' % (", " + login if login else "").encode())
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def request(self, subject, payload=b"", seconds=10):
        """The answer's bytes."""
        self.count += 1
        self.socket.settimeout(seconds)
        inbox = "_INBOX.operator.%d" % self.count
        self.socket.sendall(b"SUB %s %d\r\nUNSUB %d 1\r\nPUB %s %s %d\r\n%s\r\n" % (
            inbox.encode(), self.count, self.count, subject.encode(), inbox.encode(), len(payload), payload))
        while True:
            line = self.file.readline()
            if line.startswith(b"MSG "):
                return self.file.read(int(line.split()[-1]) + 2)[:-2]
            if line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")
            elif not line or line.startswith(b"-ERR"):
                raise ConnectionError("the server answers %r" % line)

    def api(self, call, **body):
        answer = json.loads(self.request("$JS.API." + call, json.dumps(body).encode() if body else b""))
        assert "error" not in answer, answer
        return answer

    def publish(self, subject, payload):
        """What the stream says to the message: a sequence, or an error."""
        return json.loads(self.request(subject, payload))

    def messages(self, stream):
        return self.api("STREAM.INFO." + stream)["state"]["messages"]
