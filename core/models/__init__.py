"""Finding models on this machine: packaged ones, local folders, hub ids; hashes are verified, pickles refused."""

from doyen.core.models.devices import (
    DeviceTable,
    choose_devices,
    device_table,
    is_llamacpp_gpu,
    number_format,
    torch_device,
    torch_dtype,
)
from doyen.core.models.loading import LOADING, load_once
from doyen.core.models.resolve import (
    PACKAGED_EMBEDDERS,
    PACKAGED_GENERATORS,
    GeneratorFiles,
    cache_folder,
    resolve_embedder,
    resolve_generator,
    verify_again,
)

__all__ = [
    "LOADING",
    "PACKAGED_EMBEDDERS",
    "PACKAGED_GENERATORS",
    "DeviceTable",
    "GeneratorFiles",
    "cache_folder",
    "choose_devices",
    "device_table",
    "is_llamacpp_gpu",
    "load_once",
    "number_format",
    "resolve_embedder",
    "resolve_generator",
    "torch_device",
    "torch_dtype",
    "verify_again",
]
