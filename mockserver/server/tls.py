"""TLS: the certificate that a server shows, a user's own or one made for the run, and what makes clients trust it."""

import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from mockserver.data import FileError, open_file
from mockserver.errors import StartError, UsageError, reason
from mockserver.settings import Settings, words_of

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Where clients look for certificates to trust: OpenSSL and Python, requests, curl, Node."""

OWN_NAMES = ("localhost", "127.0.0.1", "::1")
"""The names that a made certificate always has."""

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


class Tls(NamedTuple):
    """The files of a server that speaks TLS."""

    certificate: Path
    key: Path | None
    """The private key; None if it is in the file of the certificate."""
    trust: Path
    """What clients are to trust: the certificates that this machine trusts, and the server's."""

    def environ(self) -> dict[str, str]:
        """Return the variables by which programs trust the server."""
        return dict.fromkeys(VARIABLES, str(self.trust))


@contextmanager
def open_tls(settings: Settings) -> Iterator[Tls | None]:
    """Make what a server needs for TLS, in a folder that only this user reads and that is gone after the block.

    None if it speaks none. A MockserverError says which file is wrong, or what to install.
    """
    if settings.tls_cert is None:
        if settings.tls_key is not None:
            raise UsageError("there is a key, but no certificate", where="--tls-key", fix="name it with --tls-cert")
        if not settings.tls:
            yield None
            return
    with tempfile.TemporaryDirectory(prefix="mockserver-tls-") as name:
        folder = Path(name)
        if settings.tls_cert is None:
            yield _made(folder, names_of(settings))
        else:
            own = _own(settings.tls_cert, settings.tls_key)
            yield Tls(settings.tls_cert, settings.tls_key, _trust(folder, own))


@contextmanager
def open_own_tls(settings: Settings) -> Iterator[Tls | None]:
    """Make the same for a process that only serves: what it starts, such as a check, trusts its certificate too."""
    with open_tls(settings) as tls:
        os.environ.update({} if tls is None else tls.environ())
        yield tls


def trusted(url: str, tls: Tls | None = None) -> ssl.SSLContext | bool:
    """Return the `verify` of a client of httpx: it trusts a server's own TLS, or what the environment says.

    Reading certificates takes a hundred times as long as the rest of making a client, so none are read for http.
    """
    if url.startswith("http:"):
        return False
    file = Path(os.environ.get(VARIABLES[0], "")) if tls is None else tls.trust
    return ssl.create_default_context(cafile=file) if file.is_file() else True


def names_of(settings: Settings) -> list[str]:
    """Return the names and addresses under which clients reach a server."""
    named = [settings.host, *words_of(settings.control_hosts)]
    return list(dict.fromkeys([*OWN_NAMES, *(each for each in named if not _is_any(each))]))


def _is_any(host: str) -> bool:
    """Return whether an address stands for all of this machine's."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _made(folder: Path, names: Sequence[str]) -> Tls:
    """Make a certificate, by a CA whose own key is forgotten at once: it can sign nothing else."""
    try:
        import trustme
    except ModuleNotFoundError as error:
        own = "name a certificate of your own with --tls-cert and --tls-key"
        what = "a certificate is made by"
        raise StartError.without_extra(what, "tls", error.name, where="--tls", otherwise=own) from error
    authority = trustme.CA(organization_name="mockserver")
    try:
        made = authority.issue_cert(*names)
    except ValueError as error:
        raise UsageError(
            "no certificate can be made for these names",
            where="--host, --control-hosts",
            why=str(error),
            fix="name hosts or addresses",
        ) from error
    certificate = folder / "server.pem"
    _write(certificate, made.private_key_and_cert_chain_pem.bytes())
    return Tls(certificate, None, _trust(folder, authority.cert_pem.bytes()))


def _own(certificate: Path, key: Path | None) -> bytes:
    """Check a user's files, and return the certificates in them."""
    chain = _read(certificate, "certificate")
    secret = chain if key is None else _read(key, "key")
    place, option = (certificate, "--tls-cert") if key is None else (key, "--tls-key")
    if _BEGIN not in chain:
        fix = "name a file in PEM, which begins with -----BEGIN CERTIFICATE-----"
        raise StartError("there is no certificate in this file", where=f"--tls-cert {certificate}", fix=fix)
    if b"PRIVATE KEY-----" not in secret:
        fix = "name the file of the private key in PEM with --tls-key"
        raise StartError("there is no private key in this file", where=f"{option} {place}", fix=fix)
    if b"ENCRYPTED" in secret:
        why, fix = "a server that starts by itself is asked for none", "write it without one: openssl pkey -in FILE"
        raise StartError("the private key has a passphrase", where=f"{option} {place}", why=why, fix=fix)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        other = "the key is not that of the certificate" if error.reason == "KEY_VALUES_MISMATCH" else ""
        raise StartError(
            "no server can use this certificate and this key",
            where=f"--tls-cert {certificate}" + (f" --tls-key {key}" if key else ""),
            why=other or (error.reason or "").replace("_", " ").lower() or reason(error),
            fix="name the certificate of the server first in its file, and the key that belongs to it",
        ) from error
    return b"".join(_BEGIN + each.partition(_END)[0] + _END + b"\n" for each in chain.split(_BEGIN)[1:])


def _read(path: Path, what: str) -> bytes:
    try:
        with open_file(path, pipes=False) as file:
            return file.read()
    except FileError as error:
        option = "--tls-cert" if what == "certificate" else "--tls-key"
        fix = "name a file in PEM that this user may read"
        raise StartError(f"the {what} cannot be read", where=f"{option} {path}", why=str(error), fix=fix) from error


def _trust(folder: Path, certificates: bytes) -> Path:
    """Write what clients are to trust: a client that is told of one file then reaches other servers still."""
    machine = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    known = Path(machine).read_bytes() if machine and Path(machine).is_file() else b""
    path = folder / "trust.pem"
    _write(path, known.rstrip() + b"\n" + certificates if known else certificates)
    return path


def _write(path: Path, content: bytes) -> None:
    """Write a file that only this user reads."""
    path.touch(0o600, exist_ok=False)
    path.write_bytes(content)
