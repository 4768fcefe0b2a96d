"""The side of CloudFormation that receives the answers of a custom resource."""

import http.server
import json
import threading

from emulator import HOST


class Answers:
    """The server that receives answers, like an S3 URL that is signed for a request without a content type."""

    def __init__(self):
        received, self.refuse = [], 0
        self.received, answers = received, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = 200
                if self.headers["content-type"] or "X-Amz-Signature" not in self.path:
                    status = 403
                elif answers.refuse:
                    answers.refuse, status = answers.refuse - 1, 503
                else:
                    received.append(body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.url = f"http://{HOST}:{serve(self, Handler)}/answer?X-Amz-Signature=0"

    def pop(self):
        """Returns the oldest answer that was not returned yet."""
        assert self.received, "CloudFormation was not answered"
        body = self.received.pop(0)
        assert len(body) <= 4096, "CloudFormation reads less"
        return json.loads(body)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def serve(owner, handler):
    """Serves with a handler until the owner shuts its server down. Returns the port."""
    owner.server = http.server.ThreadingHTTPServer((HOST, 0), handler)
    threading.Thread(target=owner.server.serve_forever, args=[0.05], daemon=True).start()
    return owner.server.server_address[1]
