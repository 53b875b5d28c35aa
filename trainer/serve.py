"""python -m trainer.serve MODEL_DIR --sha256 … --links DIR --tended FILE: `transformers serve` for one model.

It verifies the model first, in this process, so that whoever starts it waits for nothing. It ends by itself when
FILE has not been touched for --patience seconds: whatever becomes of the worker that tends it, no server is left
behind. `transformers serve` samples only when the model's generation_config.json says do_sample; what is served is
a folder of links with one that does, because a registered directory is never changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path

from trainer.model_files import verify_model
from trainer.run_dir import RunError


def end_when_forsaken(tended: Path, patience: float) -> None:
    """Wait until the file is too old, or gone; then end this process, whatever it is doing."""
    while True:
        try:
            age = time.time() - tended.stat().st_mtime
        except OSError:
            age = patience
        if age >= patience:
            print(f"Nobody has tended this server for {patience:g} seconds; it ends.", file=sys.stderr)
            os._exit(1)
        time.sleep(min(5.0, patience / 4))


def link_with_sampling(directory: Path, links: Path) -> None:
    """A folder of links to the model's files, and a generation_config.json of its own that says do_sample."""
    own = directory / "generation_config.json"
    config = json.loads(own.read_text()) if own.exists() else {}
    links.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        link = links / path.name
        if path.name == own.name or (link.is_symlink() and link.readlink() == path):
            continue
        link.unlink(missing_ok=True)  # made when the data directory stood elsewhere
        link.symlink_to(path)
    (links / own.name).write_text(json.dumps(config | {"do_sample": True}))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m trainer.serve", description=__doc__)
    parser.add_argument("model", type=Path, help="a registered model directory")
    parser.add_argument("--sha256", required=True, help="the hash it was registered with")
    parser.add_argument("--links", type=Path, required=True, help="folder to serve it from, made here")
    parser.add_argument("--tended", type=Path, required=True, help="file that is touched while it is wanted")
    parser.add_argument(
        "--patience", type=float, default=120.0, help="seconds without a touch (default: 120)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", default="8377", help="port to listen at (default: 8377)")
    asked = parser.parse_args(argv)
    watch = threading.Thread(target=end_when_forsaken, args=(asked.tended, asked.patience), daemon=True)
    watch.start()
    try:
        verify_model(asked.model, asked.sha256)
        link_with_sampling(asked.model, asked.links)
    except (RunError, OSError) as error:
        sys.exit(str(error))
    sys.argv = ["transformers", "serve", str(asked.links), "--host", asked.host, "--port", asked.port]
    from transformers.cli.transformers import main as transformers

    transformers()


if __name__ == "__main__":
    main()
