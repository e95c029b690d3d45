"""Secrets: made once, kept, in a folder of their owner's; certificates for the names that were asked for."""

from __future__ import annotations

import configparser
import json
import os
from pathlib import Path

import pytest
from cryptography import x509

import make_secrets


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    first = make_secrets.make(tmp_path / "secrets")
    before = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert set(first) == set(before)
    assert make_secrets.make(tmp_path / "secrets") == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == before
    (tmp_path / "secrets" / "influx_token").unlink()
    assert make_secrets.make(tmp_path / "secrets") == ["influx_token"]


def test_no_two_are_alike_and_none_is_short(tmp_path: Path) -> None:
    make_secrets.make(tmp_path)
    words = [(tmp_path / name).read_text() for name in make_secrets.WORDS]
    assert len(set(words)) == len(words) and all(len(word) >= 32 for word in words)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_the_folder_is_its_owners_alone_and_containers_can_read_what_is_mounted(tmp_path: Path) -> None:
    make_secrets.make(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (tmp_path / "secrets").iterdir())


def test_the_brokers_certificate_names_the_hosts_and_is_signed_by_the_authority(tmp_path: Path) -> None:
    make_secrets.make(tmp_path, ["broker.example.org", "192.0.2.7"])
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    broker = x509.load_pem_x509_certificates((tmp_path / "broker.pem").read_bytes())[0]
    broker.verify_directly_issued_by(authority)
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"kafka", "localhost", "broker.example.org"}
    assert {str(each) for each in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "192.0.2.7"}


def test_the_object_store_and_its_clients_are_told_the_same_key(tmp_path: Path) -> None:
    make_secrets.make(tmp_path)
    (identity,) = json.loads((tmp_path / "objects.json").read_text())["identities"]
    (credentials,) = identity["credentials"]
    read = configparser.ConfigParser()
    read.read(tmp_path / "objects_credentials")
    assert read["default"]["aws_access_key_id"] == credentials["accessKey"]
    assert read["default"]["aws_secret_access_key"] == credentials["secretKey"]
