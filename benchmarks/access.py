"""Whether anything of a document reaches a caller who may not read it: ``python benchmarks/access.py``.

Worlds of documents with random groups, exact copies and versions are ingested and served as in production, but for the model,
which repeats its whole prompt. Callers with random groups send random requests: searches, chats with follow-ups, streamed
and not, in every mode, listings, documents, pages, thumbs on answers of others, refused changes, and anything to any
endpoint that the gateway has; between them an administrator gives documents other groups. Each document has words that
stand nowhere else. The benchmark fails when one of a document that the caller may not read is in any byte of a response, or
when asking for such a document differs from asking for none.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fastapi.testclient import TestClient

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.access_world import Trials, gateway_of, make_world

READ_SHARE = 20
"""One trial in so many goes to a gateway that reads passages, which takes longer."""
TRIALS_OF_A_WORLD = 2500
MODES = ("base", "extract", "rag", "rag-short", "best", "hybrid", "finetune", "rag-reading", "nonsense")


def main() -> int:
    """Send the requests; return 1 when something leaked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    started, sent, leaks = time.monotonic(), Counter[str](), list[str]()
    plan = [("general", options.trials // READ_SHARE)]
    left = options.trials - plan[0][1]
    plan += [("none", min(TRIALS_OF_A_WORLD, left - done)) for done in range(0, left, TRIALS_OF_A_WORLD)]
    for number, (reader, trials) in enumerate(plan):
        with tempfile.TemporaryDirectory() as folder:
            run_world(Path(folder), options.seed + number, reader, trials, sent, leaks)
    found = {
        "trials": options.trials,
        "requests": sum(sent.values()),
        "endpoints": len(sent),
        "leaks": len(leaks),
        "seconds": round(time.monotonic() - started),
    }
    if options.json:
        json.dump({**found, "sent": dict(sent)}, sys.stdout, indent=2)
    else:
        print(", ".join(f"{value:,} {name}" for name, value in found.items()))
        print("\n".join(f"{count:>6}  {name}" for name, count in sent.most_common()))
        print("\n".join(leaks[:3]))
    return int(bool(leaks))


def run_world(folder: Path, seed: int, reader: str, trials: int, sent: Counter[str], leaks: list[str]) -> None:
    """Send random requests to one gateway; note what leaked."""
    chance = random.Random(seed)
    world = make_world(folder, chance, 40, reader=reader)
    with TestClient(gateway_of(world), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.app.state.services.assistant()  # type: ignore[attr-defined]
        requests = Trials(world, client, chance, MODES)
        for _ in range(trials):
            try:
                requests.run()
            except AssertionError as error:
                leaks.append(str(error)[:2000])
        sent.update(requests.sent)


if __name__ == "__main__":
    sys.exit(main())
