"""SAM template to CloudFormation, by AWS's own translator, with the folder of each piece of code beside it."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.translator.translator import Translator

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.options import REGION
from lambent_toolkit.sandbox.sources import read_template

ARTIFACTS_BUCKET = "local-artifacts"
CODE_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


@dataclass(frozen=True)
class TranslatedTemplate:
    """A CloudFormation template and where its code lies.

    Parameters
    ----------
    body : dict     CloudFormation
    code : dict     logical id of a function or layer version -> folder of its artifact
    """

    body: dict[str, Any]
    code: dict[str, Path]


def translate(built_template: Path, parameters: dict[str, str]) -> TranslatedTemplate:
    """Translate a built SAM template.

    Raises
    ------
    BrokenTemplate   the translator refuses it; the message names each resource
    """
    source = read_template(built_template)
    folders = _replace_code(source, built_template.parent)
    try:
        body = transform(source, parameters)
    except InvalidDocumentException as exc:
        causes = "\n".join(f"- {cause.message}" for cause in exc.causes)
        raise BrokenTemplate(f"the template cannot be translated:\n{causes}") from exc
    return TranslatedTemplate(body, _code_of(body, folders))


def transform(source: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """Return a SAM template as CloudFormation, by AWS's translator.

    Raises
    ------
    InvalidDocumentException   the translator refuses it; its causes name each resource
    """
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    body = _translator().translate(source, parameter_values=dict(parameters), get_managed_policy_map=dict)
    return json.loads(json.dumps(body, default=str))  # type: ignore[no-any-return]


def _translator() -> Translator:
    # Without a session it would ask the developer's AWS configuration for a region.
    return Translator(None, Parser(), boto_session=boto3.Session(region_name=REGION))


def _replace_code(source: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Swap local code folders for S3 addresses, which the translator insists on; return address -> folder."""
    folders: dict[str, Path] = {}
    for name, resource in source["Resources"].items():
        key = CODE_PROPERTIES.get(resource.get("Type", ""))
        value = resource.get("Properties", {}).get(key) if key else None
        if key and isinstance(value, str):
            folders[name] = (folder / value).resolve()
        # Before a build a folder may still be a FindInMap, which the translator does not resolve here.
        if key and (name in folders or isinstance(value, dict)):
            resource["Properties"][key] = f"s3://{ARTIFACTS_BUCKET}/{name}"
    return folders


def _code_of(body: dict[str, Any], folders: dict[str, Path]) -> dict[str, Path]:
    """Map translated resources back to their folders; the translator renames layer versions."""
    code = {}
    for name, resource in body["Resources"].items():
        properties = resource.get("Properties", {})
        address = properties.get("Code") or properties.get("Content")
        if isinstance(address, dict) and address.get("S3Key") in folders:
            code[name] = folders[address["S3Key"]]
    return code
