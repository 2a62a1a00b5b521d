"""The command `deploy`: from this folder to a stack in an AWS account."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen

if TYPE_CHECKING:
    from lambent_toolkit.deploying.settings import DeploySettings, SettingsFile

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

# What a first deployment is asked about; all other parameters have defaults that one can live with.
ASKED = {
    "Stage": "Stage (dev, test or prod; prod protects the table from deletion)",
    "AlarmEmail": "E-mail address for alarms (empty: nobody hears of any)",
}


def register(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(deploy)


def deploy(  # noqa: PLR0917 - typer passes every option by name
    stack: Annotated[
        str | None, typer.Option("--stack", metavar="NAME", help="The stack's name.", show_default=False)
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="AWS Region.", show_default=False)
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME", help="Profile of the AWS credentials.", show_default=False),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", metavar="NAME=VALUE", help="A template parameter; again for more.", show_default=False
        ),
    ] = None,
    guided: Annotated[bool, typer.Option("--guided", help="Ask again, though settings are kept.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; make the changes.")] = False,
    list_parameters: Annotated[
        bool, typer.Option("--list-parameters", help="List the template's parameters, and deploy nothing.")
    ] = False,
) -> None:
    """Build and deploy a stack; the first time it asks, and keeps the answers in samconfig.toml for every next time."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.cli.parameters import parse_parameters, print_parameters
        from lambent_toolkit.deploying.deployment import deploy as run
        from lambent_toolkit.deploying.deployment import identify, with_parameters
        from lambent_toolkit.deploying.settings import SettingsFile
        from lambent_toolkit.sandbox.local_stack import find_root
        from lambent_toolkit.stacks.deployed import describe_deployed

        root = find_root()
        if list_parameters:
            print_parameters(console, root)
            return
        is_asked = not yes and sys.stdin.isatty()
        settings, is_new = _settings(SettingsFile(root), stack, region, profile, is_asked=is_asked)
        answers = _ask(settings) if is_asked and (guided or is_new) else {}
        settings = with_parameters(settings, {**answers, **parse_parameters(parameter)}, root=root)
        identity = identify(settings)
        where = f"account {identity.account_id}, Region {settings.region}, as {identity.arn}"
        console.print(f"Stack {settings.name}: {where}", markup=False, soft_wrap=True)
        run(settings, root=root, is_asked=is_asked)
        deployed = describe_deployed(settings.name, region=settings.region, profile=settings.profile, environ={})
    _tell(settings, deployed.url)


def _settings(
    file: SettingsFile, name: str | None, region: str | None, profile: str | None, *, is_asked: bool
) -> tuple[DeploySettings, bool]:
    """Return the settings of the stack that is meant, and whether it is deployed from here for the first time."""
    from dataclasses import replace

    from lambent_toolkit.deploying.errors import SettingMissing
    from lambent_toolkit.deploying.settings import DeploySettings

    known = file.names()
    chosen = name or os.environ.get("LAMBENT_STACK") or (known[0] if len(known) == 1 else None)
    if chosen is None and known:
        raise SettingMissing(f"Several stacks are deployed from here: say --stack, one of {', '.join(known)}.")
    if chosen is None and is_asked:
        chosen = typer.prompt("Stack name", default=file.default_name())
    if chosen is None:
        raise SettingMissing("Nothing says which stack: --stack NAME --region NAME.")
    settings = file.find(chosen) or DeploySettings(chosen)
    is_new = not settings.region
    settings = replace(settings, profile=profile or settings.profile)
    return replace(settings, region=region or settings.region or _region(settings, is_asked=is_asked)), is_new


def _region(settings: DeploySettings, *, is_asked: bool) -> str:
    from lambent_toolkit.deploying.errors import SettingMissing
    from lambent_toolkit.stacks.deployed import open_session

    own = open_session(None, settings.profile, os.environ).region_name
    if is_asked:
        return str(typer.prompt("AWS Region", default=own or "us-east-1"))
    if own is None:
        raise SettingMissing("Nothing says in which AWS Region: --region NAME, AWS_REGION or the profile's.")
    return str(own)


def _ask(settings: DeploySettings) -> dict[str, str]:
    answers = {}
    for name, question in ASKED.items():
        default = settings.parameters.get(name, "dev" if name == "Stage" else "")
        answers[name] = str(typer.prompt(question, default=default, show_default=bool(default)))
    return answers


def _tell(settings: DeploySettings, url: str) -> None:
    console = screen()
    chosen = f"--stack {settings.name} --region {settings.region}"
    chosen += f" --profile {settings.profile}" if settings.profile else ""
    lines = [
        f"Stack {settings.name} is deployed: {url}",
        f"Its key:  lambent key get {chosen}",
        f"Check it: lambent doctor {chosen}",
        f"Next:     lambent publish FOLDER {chosen}, then lambent label set MODEL live 1 {chosen}",
    ]
    if not (settings.parameters.get("AlarmEmail") or settings.parameters.get("AlarmTopicArn")):
        lines.append("! Nobody hears its alarms: lambent deploy --parameter AlarmEmail=YOU@EXAMPLE.COM")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
