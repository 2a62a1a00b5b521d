"""Header fields that API Gateway renames or drops on their way to a function and back."""

import pytest

from lambent_toolkit.sandbox.gateway_headers import of_answer, of_request

# "Amazon API Gateway important notes", column Lambda: P passes, R is renamed, D is dropped; request, answer.
DOCUMENTED = {
    "Age": "PP", "Accept": "PP", "Accept-Charset": "PP", "Accept-Encoding": "PP", "Authorization": "PR",
    "Connection": "DR", "Content-Encoding": "PP", "Content-MD5": "DR", "Content-Type": "PP", "Date": "PR",
    "Expect": "DD", "Host": "PD", "Max-Forwards": "DR", "Pragma": "PP", "Proxy-Authenticate": "DD", "Range": "PP",
    "Referer": "PP", "Server": "DR", "TE": "DD", "Trailer": "DD", "Upgrade": "DD", "User-Agent": "PR", "Via": "PD",
    "WWW-Authenticate": "DR", "Location": "PP", "Retry-After": "PP", "X-Own": "PP",
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTED)
def test_fields_pass_as_aws_documents_it(name: str) -> None:
    request, answer = of_request([(name, "1")]), of_answer([(name, "1")])

    outcomes = {"P": [(name, "1")], "R": [(f"x-amzn-Remapped-{name}", "1")], "D": []}
    assert (request, answer) == tuple(outcomes[each] for each in DOCUMENTED[name])


def test_fields_are_known_in_any_case_and_keep_their_order_and_number() -> None:
    fields = [("X-Many", "1"), ("www-authenticate", "Basic"), ("X-Many", "2"), ("HOST", "x")]

    assert of_answer(fields) == [("X-Many", "1"), ("x-amzn-Remapped-www-authenticate", "Basic"), ("X-Many", "2")]
