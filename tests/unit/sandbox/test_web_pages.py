"""Who may speak to a server of the local stack, by header fields that a browser sends whatever its page wants."""

import stat
from itertools import product
from pathlib import Path

import pytest

from lambent_toolkit.sandbox.private_files import FILE_MODE, FOLDER_MODE, private_folder, private_open
from lambent_toolkit.sandbox.runtime_api import PREFIX, RuntimeConnection
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD, Doorman, admitting

OWN, FOREIGN = "https://own.example", "https://evil.example"
HOST = ("Host", "127.0.0.1:8080")
HERE = ["127.0.0.1", "127.0.0.1:1", "localhost", "LOCALHOST:8080", "bucket.localhost:1", "[::1]", "[::1]:80"]
ELSEWHERE = [
    *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evillocalhost", "127.0.0.1:x", "::1"),
    *("0.0.0.0", "192.168.0.1", "127.0.0.1@evil.example", "localhost.", "", "127.0.0.1, evil.example", "[::1].evil"),
]
OPEN, CLOSED, PAGES = Doorman(admits=admitting([OWN])), Doorman(), Doorman(admits=admitting([OWN]), has_pages=True)
EVERYBODY = Doorman(admits=admitting(["*"]))


def lets_in(doorman: Doorman, *fields: tuple[str, str]) -> bool:
    return doorman.refuse([HOST, *fields]) is None


@pytest.mark.parametrize("host", HERE)
def test_this_machine_is_known_by_names_that_nobody_else_can_take(host: str) -> None:
    assert CLOSED.refuse([("host", host)]) is None


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_name_that_was_made_to_lead_here_is_refused_whoever_asks(host: str) -> None:
    told = [each.refuse([("Host", host)]) for each in (CLOSED, OPEN, PAGES, EVERYBODY)]

    assert all(each is not None and "use 127.0.0.1" in each for each in told)


@pytest.mark.parametrize("fields", [[], [HOST, HOST], [HOST, ("HOST", "evil.example")]])
def test_a_request_names_one_host(fields: list[tuple[str, str]]) -> None:
    assert CLOSED.refuse(fields) is not None


@pytest.mark.parametrize(
    ("page", "doors"),
    [
        ((), {"closed", "open", "pages", "everybody"}),
        ((("Sec-Fetch-Site", "none"),), {"closed", "open", "pages", "everybody"}),
        ((("Origin", OWN),), {"open", "pages", "everybody"}),
        ((("Origin", OWN), ("Sec-Fetch-Site", "cross-site")), {"open", "pages", "everybody"}),
        ((("Referer", f"{OWN}/page?a=b"), ("Sec-Fetch-Site", "cross-site")), {"open", "pages", "everybody"}),
        ((("Origin", "http://127.0.0.1:8080"), ("Sec-Fetch-Site", "same-origin")), {"pages", "everybody"}),
        ((("Sec-Fetch-Site", "same-origin"),), {"pages", "everybody"}),
        ((("Origin", FOREIGN),), {"everybody"}),
        ((("Origin", "null"),), {"everybody"}),
        ((("Origin", ""),), {"everybody"}),
        ((("Origin", OWN.upper()),), {"everybody"}),
        ((("Origin", f"{OWN}:443"),), {"everybody"}),
        ((("Origin", f"{OWN}.evil.example"),), {"everybody"}),
        ((("Origin", "http://127.0.0.1:8081"),), {"everybody"}),
        ((("Origin", "https://127.0.0.1:8080"),), {"everybody"}),
        ((("Origin", OWN), ("Origin", FOREIGN)), {"everybody"}),
        ((("Origin", FOREIGN), ("Referer", f"{OWN}/")), {"everybody"}),
        ((("Referer", f"{FOREIGN}/page"),), {"everybody"}),
        ((("Referer", "about:blank"),), {"everybody"}),
        ((("Referer", "http://["),), {"everybody"}),
        ((("Sec-Fetch-Site", "cross-site"),), {"everybody"}),
        ((("Sec-Fetch-Site", "same-site"),), {"everybody"}),
        ((("Sec-Fetch-Site", "what comes next"),), {"everybody"}),
    ],
)
def test_a_page_gets_in_where_it_was_declared_and_nowhere_else(
    page: tuple[tuple[str, str], ...], doors: set[str]
) -> None:
    known = {"closed": CLOSED, "open": OPEN, "pages": PAGES, "everybody": EVERYBODY}

    assert {name for name, doorman in known.items() if lets_in(doorman, *page)} == doors


def test_a_secret_is_wanted_of_everybody_who_may_come_otherwise() -> None:
    doorman = Doorman(secret="right")

    assert lets_in(doorman, (SECRET_FIELD.lower(), "right"))
    assert not lets_in(doorman, (SECRET_FIELD, "right"), ("Origin", OWN))
    for shown in ([], ["wrong"], ["right "], ["right", "right"], [""], ["rîght"]):
        assert not lets_in(doorman, *((SECRET_FIELD, each) for each in shown))


class Function:
    """What an execution environment is to its runtime's interface."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_next(self, connection: RuntimeConnection) -> None:
        self.seen.append("next")
        connection.send_event({}, b"{}")

    def on_response(self, _request_id: str, _body: bytes) -> bool:
        self.seen.append("response")
        return True

    def on_error(self, _request_id: str, _body: bytes) -> bool:
        self.seen.append("error")
        return True

    def on_init_error(self, _body: bytes) -> None:
        self.seen.append("init/error")


class Answer:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.data += data


CLIENT = {"Host": "127.0.0.1:1", "User-Agent": "aws-lambda-python/3.12.1-3.0.0"}
VERBS = {"invocation/next": "next", "invocation/1/response": "response", "invocation/1/error": "error"}


def call(verb: str, fields: dict[str, str]) -> tuple[int, list[str]]:
    function, answer = Function(), Answer()
    connection = RuntimeConnection(function)
    connection.connection_made(answer)  # type: ignore[arg-type]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    connection.data_received(f"POST {PREFIX}{verb} HTTP/1.1\r\n{head}Content-Length: 2\r\n\r\n{{}}".encode())
    return int(answer.data.split()[1]), function.seen


@pytest.mark.parametrize("verb", VERBS)
def test_the_runtime_interface_takes_awss_client(verb: str) -> None:
    status, seen = call(verb, CLIENT)

    assert (status in {200, 202}, seen) == (True, [VERBS[verb]])


@pytest.mark.parametrize(
    ("verb", "fields"),
    list(
        product(
            [*VERBS, "init/error"],
            [
                CLIENT | {"Host": "evil.example"},
                {"User-Agent": CLIENT["User-Agent"]},
                CLIENT | {"Origin": "http://127.0.0.1:1"},
                CLIENT | {"Origin": "null"},
                CLIENT | {"Sec-Fetch-Site": "same-origin"},
                CLIENT | {"Referer": f"{FOREIGN}/"},
            ],
        )
    ),
)
def test_no_page_takes_a_functions_event_or_answers_for_it(verb: str, fields: dict[str, str]) -> None:
    assert call(verb, fields) == (403, [])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("agent", [{}, {"User-Agent": "Mozilla/5.0 (X11) aws-lambda-python/3.12.1-3.0.0"}])
def test_who_is_not_awss_client_takes_no_event_and_answers_none(verb: str, agent: dict[str, str]) -> None:
    assert call(verb, {"Host": CLIENT["Host"], **agent}) == (403, [])


def test_the_client_tells_that_a_module_cannot_be_imported_without_naming_itself() -> None:
    assert call("init/error", {"Host": CLIENT["Host"]}) == (202, ["init/error"])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_stacks_files_are_its_owners_alone_also_those_that_were_there(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.touch(0o644)

    for path in (old, tmp_path / "new"):
        with private_open(path, "a") as file:
            file.write("x")

    assert [mode(old), mode(tmp_path / "new")] == [FILE_MODE, FILE_MODE]


def test_a_state_folder_is_its_owners_alone_but_a_folder_of_other_things_keeps_its_mode(tmp_path: Path) -> None:
    new, empty, used, other = (tmp_path / name for name in ("a/new", "empty", "used", "other"))
    for folder, inside in ((empty, None), (used, "lock"), (other, "template.yaml")):
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        if inside:
            (folder / inside).touch()

    for folder in (new, empty, used, other):
        private_folder(folder)

    assert [mode(each) for each in (new, empty, used, other)] == [FOLDER_MODE, FOLDER_MODE, FOLDER_MODE, 0o755]
