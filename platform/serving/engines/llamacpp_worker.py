"""The process that runs llama.cpp: ``python -m doyen.platform.serving.engines.llamacpp_worker``.

It reads its orders, one JSON object, from the first line of stdin, serves llama.cpp's HTTP server on a Unix socket,
says ``{"ready": true}`` on stdout, and ends when stdin closes: so it never outlives the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from doyen.core.models import DeviceTable, choose_devices, is_llamacpp_gpu

PARENT_CHECK_SECONDS = 1.0


def main() -> None:
    """Load the model, say so, and wait for the end of stdin."""
    orders = json.loads(sys.stdin.readline())
    folder = Path(orders["socket"]).parent
    threading.Thread(target=_end_with_parent, args=(os.getppid(), folder), daemon=True).start()
    server = build_server(orders)
    # The parent may be gone by now.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps({"ready": True, "address": server.listening_address}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    _end(folder)


def build_server(orders: dict[str, Any]) -> Any:
    """Return a running xllamacpp server.

    Args:
        orders: the fields of a `WorkerPlan`, and "socket".
    """
    import xllamacpp

    found = any(is_llamacpp_gpu(device["type"].name) for device in xllamacpp.get_device_info())
    params = xllamacpp.CommonParams()
    params.n_gpu_layers = choose_devices(DeviceTable(llamacpp_gpu=found)).gpu_layers
    params.model.path = orders["model"]
    params.n_parallel = orders["slots"]
    params.n_ctx = orders["context"] * orders["slots"]
    # One decoding thread: with two, a single competing process makes OpenMP's barriers stall for minutes.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = orders["batch_threads"]
    # The prompt cache in RAM ignores which adapter a prompt was computed with (llama.cpp #26207): it must stay off, every
    # request must list all adapters with their scales, and none may be applied on loading.
    params.cache_ram_mib = 0
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in orders["adapters"]]
    params.lora_init_without_apply = True
    params.hostnames = [orders["socket"]]
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    return xllamacpp.Server(params)


def _end_with_parent(parent: int, folder: Path) -> None:
    """End when the parent is gone although stdin is open, as when a forked child still holds its other end."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    _end(folder)


def _end(folder: Path) -> None:
    """Remove the socket's folder and end; dropping the server object could wait for running requests."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
