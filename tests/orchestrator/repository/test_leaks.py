from __future__ import annotations

from pathlib import Path

import pytest
from support.repository import GitFolder

from saturn_orchestrator.repository.leaks import FOUND_MAX, SIZE_MAX, is_env, leaks
from saturn_orchestrator.repository.shapes import ALLOW

SECRET = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAbCdE"
"""Never a real one, and put together, so that this file holds none."""


def found(folder: Path, *own: str) -> list[tuple[str, int, str]]:
    findings = leaks(folder, own, lambda path: path.relative_to(folder).as_posix())
    assert not any(SECRET[:6] in f"{each.message}{each.hint}" for each in findings)
    return [(each.file, each.line, each.code) for each in findings]


@pytest.fixture
def repository(tmp_path: Path) -> GitFolder:
    return GitFolder(tmp_path / "homelab")


def test_leaks_tell_file_line_and_kind_of_what_is_committed(repository: GitFolder):
    key = "-----BEGIN " + "OPENSSH PRIVATE KEY-----"
    repository.commit("all", **{"a/deploy.yml": f"x: 1\ntoken: {SECRET}\n", "id_ed25519": key, "b.txt": "fine"})
    assert found(repository.folder) == [
        ("a/deploy.yml", 2, "token_committed"),
        ("id_ed25519", 1, "private_key_committed"),
    ]


def test_leaks_look_at_what_is_staged_and_leave_what_git_does_not_know(repository: GitFolder):
    repository.commit("none", **{".gitignore": ".env\n"})
    for name in ("staged.yml", "untracked.yml", ".env"):
        repository.write(name, SECRET)
    repository.git("add", "staged.yml")
    assert found(repository.folder) == [("staged.yml", 1, "token_committed")]


def test_leaks_find_a_committed_env_by_its_name_even_when_it_is_deleted_here(repository: GitFolder):
    repository.commit("all", **{"services/web/.env": "A=1\n", "services/web/.env.example": "A=\n"})
    (repository.folder / "services/web/.env").unlink()
    (finding,) = leaks(repository.folder, (), lambda path: path.name)
    assert (finding.code, finding.line) == ("env_committed", 0)
    assert finding.hint == "git rm --cached .env; echo .env >> .gitignore; and change what stood in it"


def test_leaks_pass_over_an_env_whose_first_line_allows_it(repository: GitFolder):
    repository.commit("all", **{".env": f"# {ALLOW}: only the project's name\nCOMPOSE_PROJECT_NAME=web\n"})
    assert found(repository.folder) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".env", True), ("services/web/.env", True), (".env.production", True), (".env.local", True),
        (".env.example", False), (".env.sample", False), (".env.template", False), (".env.dist", False),
        (".env.prod.example", False), (".envrc", False), ("web.env", False), (".env/readme", False),
    ],
)  # fmt: skip
def test_is_env_goes_by_the_name(name: str, expected: bool):
    assert is_env(name) is expected


def test_leaks_look_at_the_own_folders_where_there_is_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("services/web/a.yml", "services/web/.env", "hosts/vps/host.yaml", "elsewhere/b.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SECRET)
    assert found(tmp_path, "services/web", "hosts/vps", "hosts/none") == [
        ("hosts/vps/host.yaml", 1, "token_committed"),
        ("services/web/.env", 0, "env_committed"),
        ("services/web/.env", 1, "token_committed"),
        ("services/web/a.yml", 1, "token_committed"),
    ]


def test_leaks_pass_over_what_is_no_text(repository: GitFolder):
    repository.write("large.txt", "\n" * SIZE_MAX + SECRET)
    repository.write("binary", "\0" + SECRET)
    repository.write("target.txt", SECRET)
    (repository.folder / "link").symlink_to("target.txt")
    repository.git("add", "large.txt", "binary", "link")
    assert found(repository.folder) == []


def test_leaks_read_what_windows_writes(repository: GitFolder):
    (repository.folder / "key.txt").write_bytes(f"one\r\n{SECRET}\r\n".encode("utf-16"))
    repository.commit("all")
    assert found(repository.folder) == [("key.txt", 2, "token_committed")]


def test_leaks_find_a_secret_in_one_endless_line_of_what_looks_like_many(repository: GitFolder):
    half = "eyJ" * 60_000 + "sk-ant-" * 20_000 + "MNO." * 20_000
    repository.commit("all", **{"bundle.min.js": f"{half} {SECRET} {half}"})
    assert ("bundle.min.js", 1, "token_committed") in found(repository.folder)


def test_leaks_of_one_file_are_bounded(repository: GitFolder):
    repository.commit("all", **{"many.txt": f"{SECRET}\n" * 1000})
    assert len(found(repository.folder)) == FOUND_MAX


def test_leaks_know_names_that_are_no_plain_words(repository: GitFolder):
    repository.commit("all", **{"ein ordner/ü\n.txt": SECRET})
    assert found(repository.folder) == [("ein ordner/ü\n.txt", 1, "token_committed")]
