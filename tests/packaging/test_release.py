"""A release: the same bytes whoever builds it, all of the tree, and nothing that isn't said."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.release_check import build, digests, main, obstacles, version_of

from .conftest import made_once
from .test_clone import clone

pytestmark = pytest.mark.packaging

EPOCH = 1_700_000_000


@pytest.fixture(scope="session")
def archives(run_directory: Path) -> Path:
    """Both archives of the tree as it is now, built in another folder."""

    def make(folder: Path) -> None:
        clone(folder / "clone")
        build(folder / "clone", folder / "dist", epoch=EPOCH, umask=0o022)

    return made_once(run_directory / "release", make) / "dist"


@pytest.fixture(scope="session")
def unpacked(run_directory: Path, archives: Path) -> Path:
    """What is in the source archive."""

    def make(folder: Path) -> None:
        (source,) = archives.glob("*.tar.gz")
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")

    (found,) = made_once(run_directory / "sdist", make).glob("flask_stripe_credits-*")
    return found


def test_G03_built_again_elsewhere_and_under_another_umask_it_is_the_same_bytes(
    archives: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "another" / "place"
    tree.mkdir(parents=True)
    clone(tree)
    for path in tree.rglob("*"):
        path.chmod(0o700 if path.is_dir() else path.stat().st_mode & 0o700)
    build(tree, tmp_path / "dist", epoch=EPOCH, umask=0o077)
    assert len(digests(archives)) == 2
    assert digests(tmp_path / "dist") == digests(archives)


def test_G03_the_epoch_is_written_into_them_and_no_other_time(
    archives: Path, tmp_path: Path
) -> None:
    (source,) = archives.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        assert {member.mtime for member in archive} == {EPOCH}
        assert {(member.uid, member.gid, member.uname) for member in archive} == {(0, 0, "")}


def test_the_tree_makes_the_same_wheel_as_the_source_archive(
    archives: Path, tmp_path: Path
) -> None:
    (tmp_path / "clone").mkdir()
    clone(tmp_path / "clone")
    build(tmp_path / "clone", tmp_path / "dist", epoch=EPOCH, umask=0o022, only=["--wheel"])
    assert digests(tmp_path / "dist").items() < digests(archives).items()


def test_the_source_archive_holds_all_of_the_tree(unpacked: Path, tmp_path: Path) -> None:
    clone(tmp_path)
    # Another test may have run there.
    tree, archived = (
        {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        for folder in (tmp_path, unpacked)
    )
    assert archived == tree | {"PKG-INFO"}


def test_the_tests_run_in_the_source_archive(unpacked: Path) -> None:
    tests = ["tests/test_money.py", "tests/test_tree.py", "tests/project/test_lock.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=unpacked,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A commit that can be released."""
    root = tmp_path / "tree"
    root.mkdir()
    clone(root)
    version = version_of(root)
    page = root / "CHANGELOG.md"
    heading = f"## Unreleased\n\n## {version} - 2026-11-29\n"
    page.write_text(page.read_text().replace("## Unreleased\n", heading, 1))
    git(root, "init", "--quiet")
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "Release")
    return root


def test_G03_what_can_be_released_is_built_twice_into_dist(
    released: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = version_of(released)
    assert list(obstacles(released, None)) == []
    assert main(["--tag", f"v{version}"], released) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^[0-9a-f]{64}  dist/(.+)$", told, re.MULTILINE) == [
        f"flask_stripe_credits-{version}-py3-none-any.whl",
        f"flask_stripe_credits-{version}.tar.gz",
    ]
    assert list(digests(released / "dist")) == re.findall(r"dist/(.+)", told)


@pytest.mark.parametrize(
    ("file", "wrong", "told"),
    [
        ("pyproject.toml", ('version = "', 'version = "9'), "the tag is"),
        ("pyproject.toml", ('version = "0.1.0', 'version = "0.1.0.dev1'), "no version to release"),
        ("CHANGELOG.md", ("- 2026-11-29", "- soon"), "no heading"),
        ("CHANGELOG.md", ("## Unreleased\n", "## Unreleased\n\n- New.\n"), "under Unreleased"),
    ],
    ids=["tag", "version", "date", "unreleased"],
)
def test_G03_what_does_not_fit_is_not_released(
    released: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    wrong: tuple[str, str],
    told: str,
) -> None:
    tag = f"v{version_of(released)}"
    page = released / file
    assert wrong[0] in page.read_text()
    page.write_text(page.read_text().replace(*wrong, 1))
    assert main(["--tag", tag], released) == 1
    assert told in capsys.readouterr().err
    assert not (released / "dist").exists()
