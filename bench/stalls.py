"""A draft's saving while bodies, streams and the model server hang: python bench/stalls.py

Fifty connections with half a body, eight endless streams and eight streams from a model server that says nothing, all
at once on one web process; a person saves drafts and asks for the health check. Prints one JSON line: milliseconds
with nothing beside it, then with all of that.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.site import ROOT, Site
from tests.test_web_process import SET_UP, ask_for_suggestion, headers, post, read_on

DRAFTS = 300


def milliseconds(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"median": 0.5, "p95": 0.95, "p99": 0.99}
    return {name: round(1000 * ordered[int(share * len(ordered))], 1) for name, share in at.items()} | {
        "max": round(1000 * ordered[-1], 1)
    }


def save_drafts(site: Site, name: str) -> dict[str, Any]:
    address, saving, health = f"/api/assignments/{site.made[name]['assignment']}", [], []
    with httpx.Client(base_url=site.url, headers=headers(site, name), timeout=30) as http:
        for i in range(DRAFTS):
            revision = (http.get(address).json()["draft"] or {"revision": 0})["revision"]
            began = time.perf_counter()
            draft = {"content": {"text": f"word {i}"}, "revision": revision}
            http.put(f"{address}/draft", json=draft).raise_for_status()
            saving.append(time.perf_counter() - began)
            began = time.perf_counter()
            http.get("/healthz").raise_for_status()
            health.append(time.perf_counter() - began)
    return {"draft_ms": milliseconds(saving), "health_ms": milliseconds(health)}


def main() -> None:
    script = ROOT / "tests" / "annotate" / "feedback" / "model_server.py"
    server = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as data, ExitStack() as kept:
        site = Site(Path(data), PARLEY_MODEL_SERVER_URL=url, PARLEY_MODEL_SERVER_TIMEOUT="600")
        try:
            site.made = json.loads(site.python(SET_UP))
            site.start_web()
            report = {"alone": save_drafts(site, "endless8")}
            for _ in range(50):
                kept.enter_context(post(site, "/api/session", '{"user', length=1000))
            for i in range(8):
                kept.enter_context(ask_for_suggestion(site, f"hangs{i}"))
                stream = kept.enter_context(ask_for_suggestion(site, f"endless{i}"))
                threading.Thread(target=read_on, args=[stream], daemon=True).start()
            time.sleep(2)
            report["beside_stalls"] = save_drafts(site, "endless8")
        finally:
            server.kill()
            site.stop()
    print(json.dumps({"bench": "stalls", **report}))


if __name__ == "__main__":
    main()
