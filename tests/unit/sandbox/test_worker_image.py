"""Dockerfiles without Docker."""

import sys
from pathlib import Path, PurePosixPath

import pytest

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.worker_image import WorkerImage, read_dockerfile

ROOT = Path(__file__).parents[3]

DOCKERFILE = """
FROM base AS first
COPY lost /lost
FROM tensorflow@sha256:1
WORKDIR /app
ENV A=1 B=two
COPY --chown=nobody src/one.py src/two.py ./
COPY ["src/package", "./package"]
WORKDIR deeper
COPY src/one.py renamed.py
RUN echo never
ENTRYPOINT ["python", "main.py"]
CMD ["--help"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "src/package").mkdir(parents=True)
    for name in ("one.py", "two.py", "package/__init__.py"):
        (tmp_path / "src" / name).write_text(name)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


def test_last_stage_is_read() -> None:
    recipe = read_dockerfile(DOCKERFILE)

    assert recipe.work_dir == PurePosixPath("/app/deeper")
    assert recipe.environment == {"A": "1", "B": "two"}
    assert (recipe.entrypoint, recipe.command) == (("python", "main.py"), ("--help",))
    assert "lost" not in [source for source, _, _ in recipe.copies]


def test_copies_land_where_docker_puts_them(context: Path) -> None:
    root = context / "root"

    image = WorkerImage.unpack(context / "Dockerfile", context=context, root=root)

    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files == {"app/one.py", "app/two.py", "app/package/__init__.py", "app/deeper/renamed.py"}
    assert image.work_dir == root / "app/deeper"


def test_jobs_command_takes_the_place_of_cmd_and_python_is_this_one(context: Path) -> None:
    image = WorkerImage.unpack(context / "Dockerfile", context=context, root=context / "root")

    assert image.command([]) == [sys.executable, "main.py", "--help"]
    assert image.command(["--tenant", "python"]) == [sys.executable, "main.py", "--tenant", "python"]


def test_missing_dockerfile_or_source_fails_as_a_missing_image(context: Path) -> None:
    (context / "src/two.py").unlink()

    with pytest.raises(BrokenTemplate, match=r"CannotPullContainerError.*two\.py"):
        WorkerImage.unpack(context / "Dockerfile", context=context, root=context / "root")
    with pytest.raises(BrokenTemplate, match="CannotPullContainerError"):
        WorkerImage.unpack(context / "nowhere", context=context, root=context / "root")


def test_copy_from_another_stage_is_refused() -> None:
    with pytest.raises(BrokenTemplate, match="another stage"):
        read_dockerfile("FROM a\nFROM b\nCOPY --from=0 /x /y\n")


def test_products_worker_can_be_unpacked(tmp_path: Path) -> None:
    image = WorkerImage.unpack(ROOT / "functions/batch_worker/Dockerfile", context=ROOT, root=tmp_path)

    program = image.work_dir / image.recipe.entrypoint[-1]
    assert program.is_file()
    assert (image.work_dir / "lambent" / "__init__.py").is_file()
