from __future__ import annotations

import pytest
import sqlalchemy as sa
from support.old_schema import database_of

from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.manifest import build_manifest
from doyen.core.store import open_store
from doyen.core.store.schema import EMBEDDER
from doyen.finetune.registry import GENERAL_READING, GENERATOR, READER, Registry


@pytest.fixture
def registry(workspace, store):
    return Registry(workspace, store)


@pytest.fixture
def add(registry, tmp_path):
    files = tmp_path / "peft"
    files.mkdir()
    (files / "adapter_model.safetensors").write_bytes(b"weights")

    def register(name="legal", fingerprint="f", **told):
        manifest = {
            **build_manifest("adapter", inputs={"base": "sha"}, settings={}, seed=1),
            "fingerprint": fingerprint,
            **told,
        }
        return registry.register(name, files, base_model="m", dataset_id="d", manifest=manifest)

    return register


def test_versions_count_up_and_keep_their_files(registry, add):
    first, second = add(), add()
    assert [first.ref, second.ref] == ["legal:1", "legal:2"]
    assert (second.folder / "adapter_model.safetensors").read_bytes() == b"weights"
    assert (second.folder / "manifest.json").is_file()
    assert [adapter.ref for adapter in registry.list()] == ["legal:1", "legal:2"]
    assert first.base_sha256 == "sha"


def test_a_bare_name_is_the_promoted_version_else_the_newest(registry, add):
    add(), add(), add("other")
    assert registry.get("legal").version == 2
    registry.promote("legal:1")
    assert registry.get("legal").ref == "legal:1"
    assert registry.get("legal:2").stage == "candidate"


def test_promotion_retires_and_rollback_goes_back(registry, add):
    for _ in range(3):
        add()
    for version in (1, 3, 2):
        registry.promote(f"legal:{version}")
    assert [adapter.stage for adapter in registry.list()] == ["retired", "production", "retired"]
    assert registry.rollback("legal").version == 3
    assert registry.rollback("legal").version == 1
    with pytest.raises(StateError, match="no earlier promoted version"):
        registry.rollback("legal")
    assert sum(adapter.stage == "production" for adapter in registry.list()) == 1
    assert registry.promote("legal:1") == registry.get("legal:1")


def test_one_version_of_a_name_is_in_staging_and_its_stage_names_it(registry, add):
    add(), add(), add("other")
    assert registry.stage("legal:1", {"by": "mara"}).stage == "staging"
    assert registry.get("legal:1").manifest["stagings"][0]["by"] == "mara"
    assert registry.get("legal:staging").ref == "legal:1"
    assert registry.get("legal").ref == "legal:2", "a bare name is not what is being tried"
    registry.stage("legal:2"), registry.stage("other:1")
    assert [adapter.stage for adapter in registry.list()] == ["candidate", "staging", "staging"]
    registry.promote("legal:staging")
    assert registry.get("legal:production").ref == "legal:2"
    registry.promote("legal:1"), registry.stage("legal:2"), registry.rollback("legal")
    assert [adapter.stage for adapter in registry.list("generator")][:2] == ["retired", "production"]
    with pytest.raises(StateError, match="in production already"):
        registry.stage("legal:2")
    with pytest.raises(NotFoundError, match="known: legal:1"):
        registry.get("legal:staging")


def test_what_was_promoted_in_an_older_workspace_is_in_production(workspace):
    with database_of(workspace, "0014") as connection:
        columns = "name, version, base_model, base_sha256, dataset_id, status, manifest, created_at"
        for version, status in enumerate(("candidate", "promoted", "retired"), 1):
            values = f"'legal', {version}, 'm', 'sha', 'd', '{status}', '{{}}', 'now'"
            connection.execute(sa.text(f"INSERT INTO adapters ({columns}) VALUES ({values})"))
    store = open_store(workspace)
    assert [adapter.stage for adapter in Registry(workspace, store).list()] == ["candidate", "production", "retired"]
    store.close()


def test_of_all_embedders_one_is_promoted_and_behind_the_first_is_none(registry, add):
    add(), add("passages", kind=EMBEDDER), add("questions", kind=EMBEDDER)
    registry.promote("legal:1"), registry.promote("passages:1"), registry.promote("questions:1")
    assert [adapter.ref for adapter in registry.list() if adapter.stage == "production"] == ["legal:1", "questions:1"]
    assert registry.before("questions").ref == "passages:1" == registry.rollback("questions").ref
    assert registry.before("passages") is None
    assert registry.rollback("passages").stage == "retired"
    with pytest.raises(StateError, match="no earlier promoted version"):
        registry.rollback("passages")
    registry.promote("questions:1")
    assert registry.before("questions") is None, "what was promoted before the settings' own came back is forgotten"
    assert registry.get("legal").stage == "production"


def test_deleting_frees_the_files_and_never_the_number(registry, add):
    add()
    gone = add()
    registry.delete("legal:2")
    assert not gone.folder.exists()
    assert add().version == 3
    registry.promote("legal:1")
    with pytest.raises(StateError, match="is in production"):
        registry.delete("legal:1")
    with pytest.raises(NotFoundError, match="legal:1"):
        registry.delete("legal")


def test_unknown_adapters_are_named_with_the_known_ones(registry, add):
    with pytest.raises(NotFoundError, match="none yet"):
        registry.get("legal")
    add()
    for reference in ("legal:7", "medical", "legal:x"):
        with pytest.raises(NotFoundError, match="known: legal:1"):
            registry.get(reference)
    with pytest.raises(InputError, match="cannot be an adapter's name"):
        add("../up")


def test_the_same_run_is_found_by_its_fingerprint(registry, add):
    add(fingerprint="a"), add(fingerprint="b")
    assert registry.find("legal", "a").version == 1
    assert registry.find("legal", "c") is None
    assert registry.find("other", "a") is None


def test_readers_and_adapters_of_the_generator_are_told_apart(registry, add, tmp_path):
    add()
    manifest = {**build_manifest("adapter", inputs={"base": "sha"}, settings={}, seed=1), "kind": READER}
    registry.register("qa-reader", tmp_path / "peft", base_model="general reader", dataset_id="d", manifest=manifest)
    assert [adapter.ref for adapter in registry.list(kind=GENERATOR)] == ["legal:1"]
    assert [adapter.ref for adapter in registry.list(kind=READER)] == ["qa-reader:1"]
    assert len(registry.list()) == 2
    registry.require_kind("legal", GENERATOR)
    registry.require_kind("new", READER)
    with pytest.raises(InputError, match="names adapters of the generator: name this one otherwise"):
        registry.require_kind("legal", READER)
    with pytest.raises(InputError, match="names adapters of the reader"):
        registry.require_kind("qa-reader", GENERATOR)
    for name in ("general", "none", "general-reading"):
        with pytest.raises(InputError, match=f"'{name}' means something else in settings"):
            registry.require_kind(name, READER)
    registry.require_kind("general-reading", GENERAL_READING)
