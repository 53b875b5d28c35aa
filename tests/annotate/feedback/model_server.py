"""A small OpenAI-style server, run as a process of its own: what it does is told by the model's name.

python model_server.py: prints its port, then serves until it is ended. It stands in for an outside party only.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(BaseHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        model = asked["model"]
        if model == "refuses":
            self.send_error(500)
            return
        if model == "not-served":
            self.send_error(400)
            return
        if model == "hangs":
            time.sleep(60)
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if model == "a-web-page" else "text/event-stream")
        self.end_headers()
        if model == "talks-nonsense":
            self.wfile.write(b"data: {not json\n\n")
            return
        if model == "sends-numbers":
            self.say({"content": 5})
        words = {
            "repeats": [json.dumps({key: asked[key] for key in sorted(asked)})],
            "varies": ["The heron fishes ", f"at {asked.get('seed')}."],
            "nul": ["a\0b", "\ud800"],
            "never-ends": ["word " * 10_000] * 30,
            "endless": [f"word{i} " for i in range(100_000)],
            "goes-on": [f"word{i} " for i in range(300)],
        }.get(model, ["The ", "heron ", "fishes ", "— à l’aube."])
        self.say({"role": "assistant"})
        for word in words:
            self.say({"content": word})
            if model in ("endless", "goes-on"):
                time.sleep(0.01)
        if model == "stalls":
            time.sleep(60)
        if model in ("falls-silent", "stalls"):
            return
        self.say({}, finish_reason="stop")
        self.wfile.write(b'data: {"choices": [], "usage": {"total_tokens": 9}}\n\n')
        self.wfile.write(b"data: [DONE]\n\n")

    def say(self, delta: dict, finish_reason: str | None = None) -> None:
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    sys.stdout.close()
    server.serve_forever()
