"""A server of the OpenAI protocol in a thread, whose answers a test decides; what it is asked stays in `asked`."""

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def choice(text: str, finish_reason: str = "stop", num_tokens: int | None = 3) -> dict:
    usage = {"prompt_tokens": 1, "completion_tokens": num_tokens, "total_tokens": 1}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": text},
            }
        ],
    } | ({"usage": usage} if num_tokens is not None else {})


@contextmanager
def openai_server(answer: Callable[[dict, int], str | tuple[int, dict]]):
    """Yields (address, asked). `answer(body, number of the request)` gives a text, or a status and a body."""
    asked: list[dict] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                asked.append(body | {"path": self.path, "key": self.headers["Authorization"]})
                number = len(asked)
            found = answer(body, number)
            status, said = (200, choice(found)) if isinstance(found, str) else found
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
