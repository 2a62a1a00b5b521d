"""The API's OpenAPI document and its page: files beside this one, written by `make openapi`, open to everybody."""

from pathlib import Path

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.contracts.content_coding import choose_coding, encode_content
from lambent.runtime.http import whole_answer
from lambent.runtime.http_answers import JSON

router = Router()
_FOLDER = Path(__file__).parent


@router.get("/openapi.json")
def document() -> Response[bytes | str]:
    """Return the OpenAPI document."""
    return _file("openapi.json", JSON, {})


@router.get("/docs")
def page() -> Response[bytes | str]:
    """Return the document as a page, which a browser lets fetch and run nothing but its own style and script."""
    policy = (_FOLDER / "docs.csp").read_text().strip()
    guards = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return _file("docs.html", "text/html; charset=utf-8", guards)


def _file(name: str, content_type: str, headers: dict[str, str]) -> Response[bytes | str]:
    body = (_FOLDER / name).read_bytes()
    common = {"Cache-Control": "public, max-age=300", "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    all_headers = {**common, **headers}
    coding = choose_coding(body, router.current_event.headers.get("accept-encoding"))
    if coding is not None:
        body, all_headers["Content-Encoding"] = encode_content(body, coding), coding
    return whole_answer(body, content_type=content_type, headers=all_headers)
