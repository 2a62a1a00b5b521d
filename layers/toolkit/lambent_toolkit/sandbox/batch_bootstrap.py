"""First program of an AWS Batch attempt: tie it to the supervisor, then become the container's command.

Arguments: the supervisor's process id, then the command line. Standard library only.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    """Become the command."""
    # By path, not by package: this runs without site-packages.
    sys.path.insert(0, str(Path(__file__).parent))
    from lambda_bootstrap import die_with

    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a shell would stand between signals and the command


if __name__ == "__main__":
    main()
