"""HTTPS: with a certificate that is made or one of a user's own, for clients of several kinds, and only where asked."""

import re
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests
import trustme

from mockserver.errors import MockserverError, StartError, UsageError
from mockserver.server.tls import OWN_NAMES, VARIABLES, open_tls
from mockserver.settings import Settings
from mockserver.testing import open_mock
from tests.needs import Running, need, running
from tests.talk import KEY, TITLE
from tests.test_cli import run, stopped

HEADERS = {"authorization": KEY}
NODE = """
const [url, key] = process.argv.slice(1);
const headers = { authorization: key, "content-type": "application/json" };
fetch(url, { method: "POST", headers, body: '{"first_message": "x"}' })
  .then((answer) => answer.text())
  .then((text) => console.log(text));
"""


class Certificate:
    """A certificate of a user's own, with its key and its CA in files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        made = authority.issue_cert(*OWN_NAMES)
        self.ca, self.chain, self.key, self.both = (folder / f"{name}.pem" for name in ("ca", "chain", "key", "both"))
        authority.cert_pem.write_to_path(self.ca)
        self.chain.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems) + self.ca.read_bytes())
        made.private_key_pem.write_to_path(self.key)
        self.both.write_bytes(self.key.read_bytes() + self.chain.read_bytes())


@pytest.fixture
def own(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path)


def title(url: str, verify: ssl.SSLContext | bool) -> str:
    with httpx.Client(verify=verify, trust_env=False, headers=HEADERS) as client:
        return str(client.post(url + TITLE, json={"first_message": "x"}).json()["generated_title"])


# -- in Python -------------------------------------------------------------------------------------------------------


def test_the_client_of_a_live_mock_speaks_https_and_trusts_it() -> None:
    with open_mock(live=True, tls=True) as server:
        assert re.fullmatch(r"https://127\.0\.0\.1:\d+", server.base_url)
        assert server.http_client(headers=HEADERS).post(TITLE, json={"first_message": "x"}).status_code == 200
        assert server.client_options()["http_client"].base_url == server.base_url
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            title(server.base_url, verify=True)
        with pytest.raises(httpx.RemoteProtocolError):
            title(server.base_url.replace("https", "http"), verify=True)


def test_the_environment_lets_other_libraries_and_programs_trust_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_mock(live=True, tls=True) as server:
        environ = server.environ()
        assert {name for name in VARIABLES if environ[name]} == set(VARIABLES)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        url = server.base_url + TITLE
        assert requests.post(url, json={"first_message": "x"}, headers=HEADERS, timeout=30).ok
        curl = [need("curl"), "-sSf", "-H", f"authorization: {KEY}", "--json", '{"first_message": "x"}', url]
        assert '"x..."' in subprocess.run(curl, capture_output=True, text=True, check=True, timeout=30).stdout
        node = [need("node", "nodejs"), "-e", NODE, "--", url, KEY]
        assert '"x..."' in subprocess.run(node, capture_output=True, text=True, check=True, timeout=30).stdout


def test_what_the_machine_trusts_is_trusted_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = trustme.CA()
    other.cert_pem.write_to_path(tmp_path / "machine.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "machine.pem"))
    with open_tls(Settings(tls=True)) as tls:
        assert tls is not None
        context = ssl.create_default_context(cafile=tls.trust)
        assert len(context.get_ca_certs()) == 2


def test_only_this_user_reads_what_is_made_and_it_is_gone_afterwards() -> None:
    with open_tls(Settings(tls=True)) as tls:
        assert tls is not None
        folder = tls.trust.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
        assert b"PRIVATE KEY" not in tls.trust.read_bytes()
    assert not folder.exists()


def test_without_it_nothing_is_made() -> None:
    with open_tls(Settings()) as tls:
        assert tls is None


def test_a_made_certificate_has_the_names_by_which_the_server_is_called() -> None:
    with open_tls(Settings(tls=True, host="::", control_hosts="mock, api.example.test")) as tls:
        assert tls is not None
        done = subprocess.run(
            [need("openssl"), "x509", "-in", str(tls.certificate), "-noout", "-ext", "subjectAltName"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert set(re.findall(r"DNS:([\w.]+)", done.stdout)) == {"localhost", "mock", "api.example.test"}
        addresses = set(re.findall(r"IP Address:([\w.:]+)", done.stdout))
        assert addresses == {"127.0.0.1", "0:0:0:0:0:0:0:1"}


@pytest.mark.parametrize("files", ["apart", "together"])
def test_a_certificate_of_ones_own_is_served(own: Certificate, files: str) -> None:
    chosen = {"tls_cert": own.chain, "tls_key": own.key} if files == "apart" else {"tls_cert": own.both}
    with open_mock(live=True, **chosen) as server:
        assert title(server.base_url, ssl.create_default_context(cafile=own.ca)) == "x..."
        assert server.http_client(headers=HEADERS).get("/__mock__/health").status_code == 200
        assert b"PRIVATE KEY" not in Path(server.environ()["SSL_CERT_FILE"]).read_bytes()


def test_faults_of_the_connection_reach_a_client_through_tls() -> None:
    with open_mock(live=True, tls=True) as server:
        for fault in ("reset", "close"):
            server.stub.create("set_title", faults=fault)
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                server.http_client(headers=HEADERS).post(TITLE, json={"first_message": "x"})


# -- wrong files -----------------------------------------------------------------------------------------------------


def wrong(own: Certificate, folder: Path) -> Iterator[tuple[dict[str, Path], type[MockserverError], str]]:
    """Yield what is set, the class of its error, and what that says."""
    missing, other, text = folder / "missing.pem", folder / "other.pem", folder / "text.pem"
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(other)
    text.write_text("nothing\n")
    sealed = folder / "sealed.pem"
    sealed.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    broken = folder / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    yield {"tls_key": own.key}, UsageError, "no certificate"
    yield {"tls_cert": missing}, StartError, "the certificate cannot be read"
    yield {"tls_cert": folder}, StartError, "it is a folder"
    yield {"tls_cert": own.chain, "tls_key": missing}, StartError, "the key cannot be read"
    yield {"tls_cert": text}, StartError, "there is no certificate in this file"
    yield {"tls_cert": own.chain}, StartError, "there is no private key in this file"
    yield {"tls_cert": own.chain, "tls_key": other}, StartError, "the key is not that of the certificate"
    yield {"tls_cert": own.chain, "tls_key": sealed}, StartError, "has a passphrase"
    yield {"tls_cert": broken, "tls_key": own.key}, StartError, "no server can use"


def test_wrong_files_are_named_with_what_to_do(own: Certificate, tmp_path: Path) -> None:
    seen = 0
    for chosen, kind, text in wrong(own, tmp_path):
        with pytest.raises(kind) as caught, open_mock(live=True, **chosen):
            pass
        error, seen = caught.value, seen + 1
        assert text in str(error)
        assert error.where.startswith("--tls-"), str(error)
        assert error.fix, str(error)
        assert str(own.key.read_text().splitlines()[1]) not in str(error)
    assert seen == 9


def test_the_command_ends_with_what_is_wrong(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--port", "0", "--tls-cert", "none.pem")
    stopped(done, 3, "mockserver: the certificate cannot be read\n  where: --tls-cert none.pem\n  why: ")


# -- the commands ----------------------------------------------------------------------------------------------------


def trust_of(log: str) -> ssl.SSLContext:
    """Read what the start says clients are to trust."""
    found = re.search(r"^export SSL_CERT_FILE=(.+)$", log, re.MULTILINE)
    assert found
    return ssl.create_default_context(cafile=found[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_serves_https_and_says_what_to_trust(tmp_path: Path, workers: int) -> None:
    more = ("--workers", "2", "--store", f"sqlite:///{tmp_path}/s.db") if workers > 1 else ()
    server = Running([sys.executable, "-m", "mockserver", "serve", "--port", "0", "--tls", *more], tmp_path / "log")
    try:
        log = server.said("export NODE_EXTRA_CA_CERTS=")
        url = re.match(r"mockserver is ready at (https://127\.0\.0\.1:\d+): ", log)
        assert url, log
        context = trust_of(log)
        for _ in range(8):  # whichever worker takes it
            assert title(url[1], context) == "x..."
        server.process.terminate()
        assert server.process.wait(30) == 0
        log, file = server.log.read_text(), re.search(r"SSL_CERT_FILE=(.+)", log)
        assert file
        assert not Path(file[1]).parent.exists()
        assert "PRIVATE" not in log
    finally:
        server.kill()


def test_a_command_beside_a_mock_trusts_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import os, urllib.request as r\n"
        "assert os.environ['MOCKSERVER_URL'].startswith('https://')\n"
        f"u = r.Request(os.environ['MOCKSERVER_URL'] + '{TITLE}', b'{{\"first_message\": \"x\"}}', "
        f"{{'authorization': '{KEY}', 'content-type': 'application/json'}})\n"
        "print(r.urlopen(u).status)\n"
    )
    done = run(tmp_path, "run", "--tls", "--", sys.executable, "-c", code)
    assert (done.returncode, capfd.readouterr().out) == (0, "200\n"), done.stderr


def test_a_check_trusts_a_mock_by_what_the_start_says(tmp_path: Path) -> None:
    server = Running([sys.executable, "-m", "mockserver", "serve", "--port", "0", "--tls"], tmp_path / "log")
    try:
        log = server.said("export NODE_EXTRA_CA_CERTS=")
        url, file = re.search(r"https://[\d.:]+\d", log), re.search(r"SSL_CERT_FILE=(.+)", log)
        assert url
        assert file
        few = ("--operation", "set_title", "--examples", "1", "--no-state", "--quiet")
        done = run(tmp_path, "check", url[0], *few, SSL_CERT_FILE=file[1])
        assert done.returncode == 0, done.stdout + done.stderr
        with httpx.Client(verify=trust_of(log), base_url=url[0], timeout=60) as client:
            answer = client.post("/__mock__/check", json={"examples": 1, "operations": ["set_title"]})
        assert '"error"' not in answer.text.splitlines()[-1], answer.text
    finally:
        server.kill()


def test_a_proxy_and_a_replay_of_what_it_recorded_speak_https(tmp_path: Path) -> None:
    with open_mock(live=True, contract="2.6") as service:
        command = [sys.executable, "-m", "mockserver", "proxy", service.base_url, "--record", "recorded"]
        with running([*command, "--port", "0", "--tls", "--contract", "2.6"], tmp_path / "proxy.log") as proxy:
            assert title(https_of(proxy), insecure()) == "x..."
            assert proxy.end() == 0
    command = [sys.executable, "-m", "mockserver", "replay", "recorded", "--contract", "2.6"]
    with running([*command, "--port", "0", "--tls"], tmp_path / "replay.log") as replay:
        assert title(https_of(replay), insecure()) == "x..."


def https_of(server: Running) -> str:
    """Wait for the address that a command says."""
    found = re.search(r"https://[\d.:]+\d", server.said(" https://"))
    assert found
    return found[0]


def insecure() -> ssl.SSLContext:
    """Return what trusts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_the_live_fixture_speaks_https(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import os, pytest

        @pytest.mark.mockserver(tls=True)
        def test_title(mockserver_live):
            assert mockserver_live.base_url.startswith("https://")
            assert os.environ["SSL_CERT_FILE"] == str(mockserver_live.tls.trust)
            client = mockserver_live.http_client(headers={{"authorization": "{KEY}"}})
            assert client.post("{TITLE}", json={{"first_message": "x"}}).status_code == 200
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
