from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from flask_stripe_credits.cli.webhook import env_file
from flask_stripe_credits.cli.webhook.env_file import EnvFile
from flask_stripe_credits.config import read_settings
from flask_stripe_credits.credentials import Secret

from ..payloads import new_secret

NAME = "STRIPE_WEBHOOK_SECRET_CREDITS"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.env"


def write(path: Path, *secrets: str) -> None:
    EnvFile(path).write([Secret(secret) for secret in secrets])


def held(path: Path) -> list[str]:
    return [secret.reveal() for secret in EnvFile(path).secrets]


@pytest.mark.parametrize(
    ("name", "installed", "told"),
    [
        (".env", True, None),
        (".env", False, "`set -a; . ./.env; set +a`"),
        ("settings.env", True, "`set -a; . ./settings.env; set +a`"),
        ("etc/my app.env", False, "`set -a; . 'etc/my app.env'; set +a`"),
    ],
)
def test_how_an_app_comes_to_read_it_is_told(
    name: str,
    installed: bool,
    told: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(env_file, "find_spec", {"dotenv": installed or None}.get)
    told_all = EnvFile(Path(name)).how_to_start_with_it
    assert (told_all == "") if told is None else (told in told_all)


def test_a_new_file_is_its_owners_alone(path: Path) -> None:
    old_mask = os.umask(0)
    try:
        secret = new_secret()
        write(path, secret)
    finally:
        os.umask(old_mask)
    assert path.read_text() == f"{NAME}={secret}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_every_other_line_is_kept_byte_for_byte(path: Path) -> None:
    before = b"# \xe9\r\nA='1\n\nexport " + NAME.encode() + b"=old # note\r\nB=\xff\x00\nC=3"
    path.write_bytes(before)
    secret = new_secret()
    write(path, secret)
    expected = before.replace(b"=old # note", f"={secret}".encode())
    assert path.read_bytes() == expected
    write(path, secret)
    assert path.read_bytes() == expected


def test_a_file_without_an_end_of_line_gets_one(path: Path) -> None:
    path.write_text("A=1")
    secret = new_secret()
    write(path, secret)
    assert path.read_text() == f"A=1\n{NAME}={secret}\n"


def test_the_last_of_several_lines_counts(path: Path) -> None:
    first, last, new = (new_secret() for _ in range(3))
    path.write_text(f"{NAME}={first}\nA=1\n{NAME}={last}\n")
    assert held(path) == [last]
    write(path, new, last)
    assert path.read_text() == f"{NAME}={first}\nA=1\n{NAME}={new},{last}\n"


@pytest.mark.parametrize("quoted", ["{}", "'{}'", '"{}"', " {} ", '"{}" # old', "{} # old"])
@pytest.mark.parametrize("before", ["", "export ", "  "])
def test_secrets_are_read_however_they_are_written(path: Path, quoted: str, before: str) -> None:
    secrets = [new_secret(), new_secret()]
    for separator in (",", ", ", " "):
        value = quoted.format(separator.join(secrets))
        path.write_text(f"{before}{NAME}={value}\n")
        assert held(path) == secrets, value


@pytest.mark.parametrize("value", ["", "whsec_placeholder", "''", "whsec_xxxxxxxxxxxxxxxxxxxxxxxx"])
def test_a_placeholder_is_replaced(path: Path, value: str) -> None:
    path.write_text(f"{NAME}={value}\n")
    assert held(path) == []
    secret = new_secret()
    write(path, secret)
    assert path.read_text() == f"{NAME}={secret}\n"


def test_what_is_written_is_what_the_settings_read(path: Path) -> None:
    secrets = [new_secret(), new_secret()]
    write(path, *secrets, secrets[0])
    name, _, value = path.read_text().strip().partition("=")
    settings = read_settings({}, {name: value})
    assert [secret.reveal() for secret in settings.webhook_secrets] == secrets
    assert settings.problems.keys() == {"STRIPE_SECRET_KEY"}


def test_a_secret_that_a_shell_would_read_otherwise_is_quoted(path: Path) -> None:
    odd = new_secret() + "$#"
    write(path, odd)
    assert path.read_text() == f"{NAME}='{odd}'\n"
    assert held(path) == [odd]


def test_a_name_that_only_begins_alike_is_another(path: Path) -> None:
    text = f"{NAME}_2=x\nX{NAME}=y\n#{NAME}=z\n"
    path.write_text(text)
    secret = new_secret()
    write(path, secret)
    assert path.read_text() == f"{text}{NAME}={secret}\n"


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    real = tmp_path / "shared" / "real.env"
    real.write_text("A=1\n")
    path.symlink_to(real)
    write(path, new_secret())
    assert path.is_symlink()
    assert real.read_text().startswith(f"A=1\n{NAME}=")


def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    path.write_text("A=1\n")
    path.chmod(0o644)
    assert EnvFile(path).is_open_to_others
    write(path, new_secret())
    assert not EnvFile(path).is_open_to_others
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_crash_while_writing_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("A=1\n")
    file = EnvFile(path)

    def crash(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        file.write([Secret(new_secret())])
    assert path.read_text() == "A=1\n"
    assert os.listdir(path.parent) == [path.name]


def test_what_cannot_be_written_is_told_before_anything_else(path: Path) -> None:
    with pytest.raises(click.ClickException, match="its directory is missing"):
        EnvFile(path / "missing")
    path.mkdir()
    with pytest.raises(click.ClickException, match="isn't a file"):
        EnvFile(path)


def test_a_setting_as_a_file_is_not_contradicted(path: Path) -> None:
    path.write_text(f"{NAME}_FILE=/run/secrets/webhook\n")
    with pytest.raises(click.ClickException, match="only one of both"):
        EnvFile(path)
    path.write_text(f"{NAME}_FILE=\n#{NAME}_FILE=/run/secrets/webhook\n")
    EnvFile(path)
