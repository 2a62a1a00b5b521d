"""What the shared libraries of a layer need of the system that loads them, held against what Lambda's systems have.

A wheel's tag says what its maker claims; `auditwheel` and these entries of the ELF file say what is so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

MACHINES = {"x86_64": "EM_X86_64", "arm64": "EM_AARCH64"}
# Newest versions that a system's libraries have. Amazon Linux 2: glibc 2.26, GCC 7.3; Amazon Linux 2023 in its first
# images: glibc 2.34, GCC 11.3 (later ones have GCC 14). What a GCC's libraries have:
# https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html
SYSTEMS: dict[str, dict[str, tuple[int, ...]]] = {
    "python3.11": {"GLIBC": (2, 26), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)},
    "python3.12": {"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (7, 0, 0)},
}
# Libraries that Lambda's images have, without version; everything else must be in the layer.
PROVIDED = {
    *("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"),
    *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"),
}


@dataclass(frozen=True)
class Needs:
    """What one library needs.

    Parameters
    ----------
    machine : str      ELF's name of the processor
    libraries : set    names of other libraries
    versions : dict    family, e.g. GLIBC -> newest version of it
    """

    machine: str
    libraries: frozenset[str]
    versions: Mapping[str, tuple[int, ...]]


def libraries_in(layer: Path) -> list[Path]:
    """Return every ELF file of a layer, whatever its name."""
    return sorted(path for path in layer.rglob("*") if path.is_file() and _is_elf(path))


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def read_needs(library: Path) -> Needs:
    """Read what one ELF file needs."""
    with library.open("rb") as file:
        elf = ELFFile(file)
        versions: dict[str, tuple[int, ...]] = {}
        for family, version in _versions(elf):
            versions[family] = max(version, versions.get(family, ()))
        return Needs(elf["e_machine"], frozenset(_libraries(elf)), versions)


def _libraries(elf: ELFFile) -> Iterator[str]:
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            yield from (tag.needed for tag in section.iter_tags("DT_NEEDED"))


def _versions(elf: ELFFile) -> Iterator[tuple[str, tuple[int, ...]]]:
    for section in elf.iter_sections():
        if not isinstance(section, GNUVerNeedSection):
            continue
        for library, entries in section.iter_versions():
            for entry in entries if library.name in PROVIDED else ():
                family, _, version = entry.name.partition("_")
                yield family, tuple(int(part) for part in version.split("."))


def findings(layer: Path, *, python: str, architecture: str) -> list[str]:
    """Return what stands against this layer's libraries on Lambda, a line each."""
    libraries = libraries_in(layer)
    bundled = {path.name for path in libraries}
    return [
        f"{path.relative_to(layer)}: {what}"
        for path in libraries
        for what in _against(read_needs(path), bundled, SYSTEMS[python], MACHINES[architecture])
    ]


def _against(needs: Needs, bundled: set[str], system: Mapping[str, tuple[int, ...]], machine: str) -> Iterator[str]:
    if needs.machine != machine:
        yield f"is for {needs.machine}, not for {machine}"
    for family, version in needs.versions.items():
        if version > system.get(family, ()):
            yield f"needs {family}_{'.'.join(map(str, version))}"
    for missing in sorted(needs.libraries - bundled - PROVIDED):
        yield f"needs {missing}, which neither the layer nor Lambda has"
