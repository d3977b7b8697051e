"""What a node remembers, and what it forgets in time."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saturn_node import facts, lock, state
from saturn_node.state import Paths, Progress, ServiceRecord


def made(folder, name, age):
    """An entry of a folder, so many seconds old."""
    path = os.path.join(folder, name)
    if name.startswith("run"):
        os.makedirs(path)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write("x")
    os.utime(path, (1_000_000_000 - age, 1_000_000_000 - age))
    return path


def paths_in(tmp_path):
    paths = Paths(str(tmp_path))
    for folder in paths.folders():
        os.makedirs(folder, exist_ok=True)
    return paths


def test_prune_keeps_the_newest_of_each_kind_and_the_current_run(tmp_path):
    paths = paths_in(tmp_path)
    for age in range(30):
        made(paths.runs, f"run-{age:02}", age)
        made(paths.deploy_logs, f"deploy_{age:02}.log", age)
        made(paths.deploy_logs, f"diagnostics_{age:02}.txt", age)

    state.prune(paths, "run-29")

    assert sorted(os.listdir(paths.runs)) == [*(f"run-{age:02}" for age in range(state.KEPT)), "run-29"]
    assert sorted(os.listdir(paths.deploy_logs)) == [
        *(f"deploy_{age:02}.log" for age in range(state.KEPT)),
        *(f"diagnostics_{age:02}.txt" for age in range(state.KEPT)),
    ]


def test_write_atomically_leaves_the_old_file_when_the_new_one_cannot_be_written(tmp_path):
    path = str(tmp_path / "file")
    state.write_atomically(path, b"old")
    os.mkdir(f"{path}.{os.getpid()}.tmp")  # where the new one would be prepared
    with pytest.raises(IsADirectoryError):
        state.write_atomically(path, b"new")
    with open(path, "rb") as file:
        assert file.read() == b"old"


def test_progress_survives_and_names_the_last_service(tmp_path):
    paths = paths_in(tmp_path)
    state.write_progress(paths, Progress("r1", "a" * 40, ("web", "db")))
    assert state.read_progress(paths) == Progress("r1", "a" * 40, ("web", "db"))
    assert state.last_service(paths) == "db"
    state.forget_progress(paths)
    assert (state.read_progress(paths), state.last_service(paths), state.completed_stages(paths)) == (None, "", ())


def test_progress_that_is_damaged_is_no_progress(tmp_path):
    paths = paths_in(tmp_path)
    with open(os.path.join(paths.state, "progress.json"), "w", encoding="utf-8") as file:
        file.write('{"run": ')
    assert state.read_progress(paths) is None


def test_end_of_a_long_file_is_read_alone(tmp_path):
    (tmp_path / "long").write_text("a" * 100_000 + "\nlast\n")
    assert state.read_end(str(tmp_path / "long"), 10).endswith("\nlast\n")
    assert len(state.read_end(str(tmp_path / "long"), 10)) == 10
    assert state.read_end(str(tmp_path / "none")) == ""


def test_the_newest_run_is_known_when_the_clock_was_set_back(tmp_path):
    paths = paths_in(tmp_path)
    made(paths.runs, "run-1", 0)
    made(paths.runs, "run-2", 90_000)
    state.write_text(os.path.join(paths.state, "current_run"), "run-2")
    assert state.newest_runs(paths) == ("run-2", "run-1")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from(
        (
            "run",
            "revision",
            "completed",
            "images",
            "pid",
            "outcome",
            "at",
            "service",
            "by",
            "containers",
            "keys",
            "ports",
            "deployments",
        )
    ),
    anything,
)
damaged = st.binary(max_size=40) | fields.map(lambda record: json.dumps(record).encode())


def test_a_record_is_read_as_it_was_written_and_only_for_its_owner(tmp_path):
    paths = paths_in(tmp_path)
    stood = {"web": {"hash": "h", "image": "app:1", "image_id": "i", "digest": ""}}
    record = ServiceRecord("a" * 40, "local", "at", ("app:1",), stood, {"web": {"image": "d"}}, ("80",))
    state.write_record(paths, "web", record)
    assert (state.read_record(paths, "web"), state.recorded_services(paths)) == (record, ("web",))
    assert os.stat(paths.record("web")).st_mode & 0o777 == 0o600
    state.forget_record(paths, "web")
    assert (state.read_record(paths, "web"), state.recorded_services(paths)) == (None, ())


def test_a_record_of_an_earlier_saturn_knows_no_containers(tmp_path):
    paths = paths_in(tmp_path)
    state.write_json(paths.record("web"), {"revision": "a", "local": "l", "at": "t", "images": ["app:1"]})
    assert state.read_record(paths, "web") == ServiceRecord("a", "l", "t", ("app:1",))


def test_stale_is_remembered_until_origin_answers(tmp_path):
    paths = paths_in(tmp_path)
    told = []
    for stale in (False, True, True, False, False):
        state.write_stale(paths, stale)
        told.append(state.is_stale(paths))
    assert told == [False, True, True, False, False]


@given(damaged, damaged)
def test_state_files_of_any_content_are_read_without_a_failure(tmp_path_factory, first, second):
    paths = paths_in(tmp_path_factory.mktemp("root"))
    os.makedirs(paths.run("r1"))
    texts = ("current_stage", "current_run", "last_service", "progress.json", "lock.json", "deployments.json")
    for name, data in [(name, first) for name in texts] + [
        ("services/web.json", second),
        ("runs/r1/result.json", second),
    ]:
        with open(os.path.join(paths.state, name), "wb") as file:
            file.write(data)
    held = lock.take(paths.lock)
    try:
        assert lock.holder(paths) is not None
    finally:
        os.close(held)
    state.read_progress(paths)
    state.read_record(paths, "web")
    state.deployments(paths)
    assert facts.last_run(paths).run == "r1"
