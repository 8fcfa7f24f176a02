"""A receiver of webhooks for tests: receiver.py DIRECTORY SECRET [CERTIFICATE]

Writes its port to DIRECTORY/port and each request as a line of JSON to DIRECTORY/got. What it answers on the path
/NAME is in the file DIRECTORY/NAME: a status, or `hang`, which lasts until the file says something else. Signatures are
checked with SECRET, or with what is in the file DIRECTORY/secret where there is one.
"""
import base64, hashlib, hmac, http.server, json, os, ssl, sys, threading, time

directory = sys.argv[1]
lock = threading.Lock()


def mode(name):
    with open(os.path.join(directory, name)) as file:
        return file.read().strip()


def secret():
    text = mode("secret") if os.path.exists(os.path.join(directory, "secret")) else sys.argv[2]
    return base64.b64decode(text.removeprefix("whsec_"))


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.lstrip("/")
        signed = b"%s.%s.%s" % (self.headers["webhook-id"].encode(), self.headers["webhook-timestamp"].encode(), body)
        mac = base64.b64encode(hmac.new(secret(), signed, hashlib.sha256).digest()).decode()
        event = json.loads(body)
        good = (
            "v1," + mac in self.headers["webhook-signature"].split()
            and self.headers["webhook-id"] == event["id"]
            and abs(int(self.headers["webhook-timestamp"]) - time.time()) < 300
            and self.headers["Content-Type"] == "application/json"
        )
        answer = mode(name)
        with lock, open(os.path.join(directory, "got"), "a") as got:
            got.write(json.dumps({"to": name, "seq": event["seq"], "type": event["type"], "good": good, "answer": answer, "event": event}) + "\n")
        while answer == "hang" and mode(name) == "hang":
            time.sleep(0.05)
        self.send_response(500 if answer == "hang" else int(answer))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            pass  # who asked did not wait

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
with open(os.path.join(directory, "port.new"), "w") as file:
    file.write(str(server.server_port))
os.rename(os.path.join(directory, "port.new"), os.path.join(directory, "port"))
server.serve_forever()
