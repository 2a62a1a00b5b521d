"""Amazon S3: which rights a request needs. S3's actions are named otherwise than its operations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from lambent_toolkit.sandbox.iam.errors import Unjudged
from lambent_toolkit.sandbox.iam.question import Question

# (method, what the query names) -> action; the empty name stands for none of the others.
BUCKET_ACTIONS = {
    ("GET", ""): "ListBucket",
    ("GET", "list-type"): "ListBucket",
    ("HEAD", ""): "ListBucket",
    ("GET", "versions"): "ListBucketVersions",
    ("GET", "uploads"): "ListBucketMultipartUploads",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "versioning"): "GetBucketVersioning",
    ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "policy"): "GetBucketPolicy",
    ("PUT", "policy"): "PutBucketPolicy",
    ("GET", "notification"): "GetBucketNotification",
    ("PUT", "notification"): "PutBucketNotification",
    ("GET", "lifecycle"): "GetLifecycleConfiguration",
    ("PUT", "lifecycle"): "PutLifecycleConfiguration",
    ("GET", "cors"): "GetBucketCORS",
    ("PUT", "cors"): "PutBucketCORS",
    ("GET", "encryption"): "GetEncryptionConfiguration",
    ("PUT", "encryption"): "PutEncryptionConfiguration",
    ("GET", "tagging"): "GetBucketTagging",
    ("PUT", "tagging"): "PutBucketTagging",
    ("GET", "publicAccessBlock"): "GetBucketPublicAccessBlock",
    ("PUT", "publicAccessBlock"): "PutBucketPublicAccessBlock",
    ("GET", "acl"): "GetBucketAcl",
    ("PUT", "acl"): "PutBucketAcl",
    ("PUT", ""): "CreateBucket",
    ("DELETE", ""): "DeleteBucket",
    ("DELETE", "policy"): "DeleteBucketPolicy",
}
OBJECT_ACTIONS = {
    ("GET", ""): "GetObject",
    ("HEAD", ""): "GetObject",
    ("GET", "partNumber"): "GetObject",
    ("HEAD", "partNumber"): "GetObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
    ("POST", "uploads"): "PutObject",
    ("PUT", "uploadId"): "PutObject",
    ("POST", "uploadId"): "PutObject",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "tagging"): "GetObjectTagging",
    ("PUT", "tagging"): "PutObjectTagging",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("GET", "acl"): "GetObjectAcl",
    ("PUT", "acl"): "PutObjectAcl",
    ("GET", "attributes"): "GetObjectAttributes",
}
# Actions on one version have names of their own.
VERSIONED = {
    name: name.replace("Object", "ObjectVersion")
    for name in ("GetObject", "DeleteObject", "GetObjectTagging", "GetObjectAcl", "GetObjectAttributes")
}
SUBRESOURCES = {name for _, name in (*BUCKET_ACTIONS, *OBJECT_ACTIONS) if name}
# What may stand in a query without changing what is asked; everything else must be known.
PLAIN = re.compile(
    r"^(x-amz-.*|X-Amz-.*|x-id|response-.*|prefix|delimiter|marker|max-keys|continuation-token|start-after|fetch-owner"
    r"|encoding-type|versionId|key-marker|version-id-marker|upload-id-marker|max-uploads|max-parts|part-number-marker"
    r"|AWSAccessKeyId|Signature|Expires)$"
)
_IF_NONE_MATCH = "if-none-match"
LISTING_KEYS = {"prefix": "s3:prefix", "delimiter": "s3:delimiter", "max-keys": "s3:max-keys"}


@dataclass(frozen=True)
class S3Request:
    """A request of S3, with bucket and key read from wherever they stand.

    Parameters
    ----------
    method : str
    bucket, key : str       empty if there is none
    query : Mapping         name -> value
    headers : Mapping       names in lower case
    """

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


def questions_of_s3(request: S3Request) -> list[Question]:
    """Return what a request asks; a form and DeleteObjects name their objects in the body, see `gate.py`.

    Raises
    ------
    Unjudged   the request is none of those that are known
    """
    if not request.bucket:
        if request.method != "GET":
            raise Unjudged(f"S3 {request.method} without a bucket")
        return [Question("s3:ListAllMyBuckets", "*")]
    action = _action(request)
    if not request.key:
        return [Question(action, bucket_arn(request.bucket), _listing(request.query))]
    if "versionId" in request.query:
        action = "s3:" + VERSIONED.get(action.removeprefix("s3:"), action.removeprefix("s3:"))
    found = request.headers.get(_IF_NONE_MATCH)
    context = {f"s3:{_IF_NONE_MATCH}": (found,)} if found and action == "s3:PutObject" else {}
    return [Question(action, object_arn(request.bucket, request.key), context), *_of_headers(request)]


def bucket_arn(bucket: str) -> str:
    """Return a bucket's ARN."""
    return f"arn:aws:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    """Return an object's ARN."""
    return f"arn:aws:s3:::{bucket}/{key}"


def _action(request: S3Request) -> str:
    unknown = [name for name in request.query if name not in SUBRESOURCES and not PLAIN.match(name)]
    named = [name for name in request.query if name in SUBRESOURCES]
    # A part is told by both its number and its upload, which decides. Of any other two the service takes one.
    if set(named) == {"uploadId", "partNumber"}:
        named = ["uploadId"]
    name = named[0] if named else ""
    table = OBJECT_ACTIONS if request.key else BUCKET_ACTIONS
    action = table.get((request.method, name))
    if unknown or len(named) > 1 or action is None:
        raise Unjudged(f"S3 {request.method} /{request.bucket}/{request.key} with {sorted(request.query)}")
    return f"s3:{action}"


def _listing(query: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {key: (query[name],) for name, key in LISTING_KEYS.items() if name in query}


def _of_headers(request: S3Request) -> list[Question]:
    """Return what header fields ask beside: to read what a write depends on or copies, to set tags or an ACL."""
    asked = []
    if source := request.headers.get("x-amz-copy-source"):
        path, _, version = unquote(source).lstrip("/").partition("?versionId=")
        bucket, _, key = path.partition("/")
        asked.append(Question("s3:GetObjectVersion" if version else "s3:GetObject", object_arn(bucket, key)))
    if "if-match" in request.headers and request.method in ("PUT", "DELETE"):
        # Whoever writes on the condition of what lies there learns what does.
        asked.append(Question("s3:GetObject", object_arn(request.bucket, request.key)))
    for header, action in (("x-amz-tagging", "s3:PutObjectTagging"), ("x-amz-acl", "s3:PutObjectAcl")):
        if header in request.headers:
            asked.append(Question(action, object_arn(request.bucket, request.key)))
    if any(header.startswith("x-amz-grant-") for header in request.headers):
        asked.append(Question("s3:PutObjectAcl", object_arn(request.bucket, request.key)))
    return asked
