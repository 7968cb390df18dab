"""Secrets are known by their names, and hidden wherever they are remembered or printed."""

import json
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.engine import Mock
from mockserver.journal.exchange import as_json
from mockserver.journal.har import as_har
from mockserver.messages import Finding, Headers, Request
from mockserver.redact import DEFAULT, HIDDEN, Redactor, hidden_in, hider
from mockserver.settings import Settings
from tests.strategies import own_document, write_document

SECRET = (
    "authorization Authorization proxy-authorization x-api-key api_key apiKey APIKEY apikey X-Goog-Api-Key "
    "access_token accessToken x-auth-token refresh_token X-Amz-Security-Token client_secret secret password "
    "old_password passwordConfirm X-CSRF-Token cookie Set-Cookie session_token id_token X-XSRF-TOKEN credentials "
    "aws_secret_access_key"
).split()
PUBLIC = (
    "session_id page_token next_page_token total_input_tokens tokens token www-authenticate secret_id "
    "access_token_expires_in token_type password_reset_url secretary keyboard author cookies_enabled prompt api keys "
    "user-agent api_key_id"
).split()


@pytest.mark.parametrize("name", SECRET)
def test_a_name_with_the_words_of_a_secret_is_secret(name: str) -> None:
    assert DEFAULT.is_secret(name)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_name_that_only_looks_like_one_is_not(name: str) -> None:
    assert not DEFAULT.is_secret(name)


def test_names_are_added_and_exempted() -> None:
    redactor = Redactor.of(["X-Signature", "pin"], ["Access_Token"])
    assert [redactor.is_secret(name) for name in ("x-signature", "PIN", "access_token", "password")] == [
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("body", "hidden"),
    [
        ('{"password": "a\\"b", "x": 1}', '{"password": "[redacted]", "x": 1}'),
        ('{"a": [{"api_key": 12.5e3}], "y": "password"}', '{"a": [{"api_key": 0}], "y": "password"}'),
        ('{"secrets": ["a", "b"], "n": null}', '{"secrets": ["[redacted]"], "n": null}'),
        ('{"credentials": {"user": "u", "password": "p"}}', '{"credentials": {"user": "u", "password": "[redacted]"}}'),
        ('{"password": "cut of', '{"password": "[redacted]"'),
        ('{"password": "cut\\', '{"password": "[redacted]"'),
        ('data: {"access_token":"x"}\n\n', 'data: {"access_token":"[redacted]"}\n\n'),
        ('{"text": "say \\"password\\": \\"x\\" aloud"}', '{"text": "say \\"password\\": \\"x\\" aloud"}'),
        ("no JSON", "no JSON"),
        ("", ""),
    ],
)
def test_the_secret_fields_of_a_body_are_hidden_and_all_else_stays(body: str, hidden: str) -> None:
    assert DEFAULT.body(body.encode()) == hidden.encode()


def test_a_query_and_a_form_keep_all_but_their_secrets() -> None:
    text = "a=1&api_key=s%20x&b&access%5Ftoken=y&password="
    hidden = "a=1&api_key=%5Bredacted%5D&b&access%5Ftoken=%5Bredacted%5D&password="
    assert DEFAULT.query(text) == hidden
    assert DEFAULT.body(text.encode(), b"application/x-www-form-urlencoded; charset=utf-8") == hidden.encode()


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.lists(st.text(max_size=3))))
def test_a_body_without_redacted_names_stays_as_it_is(value: dict[str, object]) -> None:
    body = json.dumps({name: each for name, each in value.items() if not DEFAULT.is_secret(name)}).encode()
    assert DEFAULT.body(body) == body


@given(st.text(min_size=1, max_size=30), st.sampled_from(["password", "api_key"]))
def test_a_secret_of_any_text_is_hidden_however_it_is_escaped(secret: str, name: str) -> None:
    body = json.dumps({name: secret, "other": 1}).encode()
    assert json.loads(DEFAULT.body(body)) == {name: HIDDEN, "other": 1}


@given(st.text(min_size=8, max_size=30).filter(lambda text: text not in repr("[redacted] does not match")))
def test_a_quoted_secret_is_hidden_in_every_notation(secret: str) -> None:
    hide = hider([secret])
    assert hide is not None
    for quoted in (secret, repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert secret not in hide(f"{quoted} does not match")
    assert hidden_in({"a": [secret, 1]}, hide) == {"a": [HIDDEN, 1]}


@pytest.mark.parametrize(
    ("secret", "text", "hidden"),
    [
        ("SEC", "'SEC' does not match '^sk-'; SECOND stays", "'[redacted]' does not match '^sk-'; SECOND stays"),
        ("a", "Input should be a valid list", "Input should be a valid list"),
        ("a", "Input should be a valid list: a or b, not 'ab'", "Input should be a valid list: a or b, not 'ab'"),
        ("a", '"a" is not of type "array"', '"[redacted]" is not of type "array"'),
        ("a", "a", "[redacted]"),
        ("5", "5 is less than the minimum of 5", "[redacted] is less than the minimum of 5"),
        ("5", '{"x":[5, 15,"5"],"y":5}', '{"x":[[redacted], 15,"[redacted]"],"y":[redacted]}'),
        (
            "k",
            "curl -H 'Authorization: Bearer k' -H 'x-key: k'",
            "curl -H 'Authorization: Bearer [redacted]' -H 'x-key: [redacted]'",
        ),
        ("k", "http://a/k?key=k&b=kk is wrong", "http://a/k?key=[redacted]&b=kk is wrong"),
        ("a", '{"msg":"\\"a\\" is a key"}', '{"msg":"\\"[redacted]\\" is a key"}'),
    ],
)
def test_a_short_secret_is_hidden_only_where_it_is_quoted_as_a_value(secret: str, text: str, hidden: str) -> None:
    hide = hider([secret])
    assert hide is not None
    assert hide(text) == hidden


@pytest.mark.parametrize("text", ['"', '"\\"', '"a":[', '"password":', '"password":[', " ", "\\"])
def test_hiding_takes_a_time_in_step_with_the_length(text: str) -> None:
    began = process_time()
    DEFAULT.body(b'{"password": ' + text.encode() * (400_000 // len(text)))
    assert process_time() - began < 20, "it hangs"


PLANTED = "SECRETpart"


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Mock:
    """Return a mock of a contract whose secret parameters and fields have a pattern, so that refusals quote them."""
    document = own_document()
    schema = {"type": "string", "pattern": "^sk-"}
    operation = document["paths"]["/notes/{note_id}"]["get"]
    places = [("header", "x-api-key"), ("cookie", "sid"), ("query", "access_token")]
    operation["parameters"] = [{"name": name, "in": place, "schema": schema} for place, name in places]
    document["paths"]["/notes/{note_id}"]["put"] = {
        **operation,
        "operationId": "put_note",
        "parameters": [],
        "requestBody": {
            "content": {"application/json": {"schema": {"type": "object", "properties": {"password": schema}}}},
        },
    }
    return Mock(Settings(contract=str(write_document(tmp_path_factory.mktemp("typed"), document)), seed=1))


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/notes/n1", headers=Headers([(b"x-api-key", PLANTED.encode())])),
        Request("GET", "/notes/n1", headers=Headers([(b"cookie", f"sid={PLANTED}".encode())])),
        Request("GET", "/notes/n1", query=f"access_token={PLANTED}"),
        Request(
            "PUT",
            "/notes/n1",
            headers=Headers([(b"content-type", b"application/json")]),
            body=json.dumps({"password": PLANTED}).encode(),
        ),
    ],
    ids=["header", "cookie", "query", "body"],
)
def test_a_secret_that_breaks_the_contract_is_quoted_nowhere(typed: Mock, request_: Request) -> None:
    response = typed.handle(request_)
    assert response.status == 422
    kept = typed.exchanges("default")
    typed.store.clear_entries("default")
    told = [repr(kept), str(kept[0]), json.dumps(as_json(kept[0])), json.dumps(as_har(kept)), repr(response.findings)]
    assert not [text for text in told if PLANTED in text]
    assert PLANTED.encode() not in b"".join(value for _, value in response.headers)
    assert "^sk-" in response.findings[0].message, "the message still says what is wrong"


def test_a_finding_about_an_object_hides_its_secret_fields() -> None:
    value = {"name": "n", "password": "hunter2hunter2"}
    finding = Finding("/body", "extra", f"{json.dumps(value)} is wrong", "client", received=value)
    (hidden,) = DEFAULT.findings((finding,), Request("POST", "/"))
    assert "hunter2" not in repr(hidden)
    assert hidden.received == {"name": "n", "password": HIDDEN}


def test_the_names_of_the_settings_count() -> None:
    mock = Mock(Settings(seed=1, redacted_names="x-mine, pin", shown_names="x-api-key"))
    fields = [(b"x-mine", b"abc"), (b"x-api-key", b"shown"), (b"content-type", b"application/json")]
    mock.handle(Request("POST", "/api/v1/chat/s/title", headers=Headers(fields), body=b'{"pin": "1234"}'))
    (kept,) = mock.exchanges("default")
    assert dict(kept.headers) == {
        b"x-mine": b"[redacted]",
        b"x-api-key": b"shown",
        b"content-type": b"application/json",
    }
    assert kept.body == b'{"pin": "[redacted]"}'


def test_a_long_secret_is_hidden_in_every_answer_and_a_short_one_where_it_may_be_quoted() -> None:
    sent = Headers([(b"authorization", b"Bearer a-key-of-many-characters"), (b"x-api-key", b"k1")])
    request, body = Request("GET", "/", headers=sent), b'{"text": "a-key-of-many-characters, \'k1\'"}'
    assert DEFAULT.answer(request, body, quotes=False) == b'{"text": "[redacted], \'k1\'"}'
    assert DEFAULT.answer(request, body, quotes=True) == b'{"text": "[redacted], \'[redacted]\'"}'


def test_a_name_that_is_called_secret_and_shown_is_secret() -> None:
    assert Redactor.of(["Word"], ["word"]).is_secret("word")
    assert not Redactor.of([], ["Password"]).is_secret("password")


def test_a_secret_that_begins_as_another_is_hidden_whole() -> None:
    hide = hider(["a-secret", "a-secret-and-more", "b1", "b12"])
    assert hide is not None
    assert hide("see a-secret-and-more and a-secret, 'b12', 'b1'") == (
        "see [redacted] and [redacted], '[redacted]', '[redacted]'"
    )
