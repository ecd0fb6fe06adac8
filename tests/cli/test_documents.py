"""``doyen ingest`` and ``doyen remove``: folders that vanish, links in a loop, and documents that go on purpose."""

import shutil


def test_lost_folders_bad_links_and_removed_documents(doyen, tmp_path):
    space, folder = tmp_path / "ws", tmp_path / "d"
    folder.mkdir()
    (folder / "valve.md").write_text("# Valve\n\nThe relief valve opens at 6 bar.\n")
    (folder / "motor.md").write_text("# Motor\n\nThe motor turns at 1400 rpm.\n")
    (folder / "a.md").symlink_to("b.md")
    (folder / "b.md").symlink_to("a.md")
    assert doyen("init", space).code == 0
    outcome = doyen("ingest", folder, "-w", space)
    assert outcome.code == 0
    assert "2 new, 2 skipped" in outcome.out
    assert "skipped: a.md: a link that" in outcome.out

    dry = doyen("remove", "motor.md", "--dry-run", "-w", space)
    assert (dry.code, dry.out.startswith("would remove: motor.md")) == (0, True)
    wrong = doyen("remove", "motor.md", "no-such.md", "-w", space)
    assert wrong.code == 2
    assert "no-such.md" in wrong.err
    assert doyen("remove", "valve.md", "--purge", "-w", space).out.splitlines() == [
        "removed: valve.md",
        "erased: the text of 1 version(s), 0 answer(s) and 0 annotation task(s)",
    ]
    assert not [path for path in space.rglob("*") if path.is_file() and b"relief" in path.read_bytes()]
    again = doyen("ingest", folder, "-w", space, "--json").json
    assert (again["unchanged"], again["n_documents"]) == (["motor.md"], 1)
    assert doyen("ingest", folder, "--restore", "-w", space, "--json").json["added"] == ["valve.md"]

    shutil.rmtree(folder)
    folder.mkdir()
    refused = doyen("ingest", folder, "-w", space)
    assert refused.code == 1
    assert "missing but kept: motor.md" in refused.out
    assert "--allow-removals" in refused.err
    assert "mounted" in refused.err
    assert doyen("ingest", folder, "--allow-removals", "-w", space, "--json").json["n_documents"] == 0
