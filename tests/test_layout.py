"""What the tree may hold."""

from __future__ import annotations

import re
import tarfile

import pytest
from release.built import build_sdist

# Directories that exist on the machine of whoever wrote a file, and on no other.
MACHINE_PATH = re.compile(rb"/(?:home|root|Users|work|workspace)/\w[^\s\"']*")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of the repository, by path: a source distribution holds all that git does not ignore."""
    with tarfile.open(build_sdist(tmp_path_factory.mktemp("sdist"))) as archive:
        return {
            member.name.partition("/")[2]: content.read()
            for member in archive.getmembers()
            if (content := archive.extractfile(member)) is not None
        }


def test_every_folder_says_what_lives_there(sources: dict[str, bytes]) -> None:
    packages = [path for path in sources if re.fullmatch(r"rlm_jupyter/(.+/)?__init__\.py", path)]
    silent = [path for path in packages if not sources[path].startswith(b'"""')]
    assert silent == []


def test_no_file_holds_a_path_of_the_machine_it_was_written_on(sources: dict[str, bytes]) -> None:
    found = {path: match[0] for path, content in sources.items() if (match := MACHINE_PATH.search(content))}
    assert found == {}


@pytest.mark.parametrize(
    "pins",
    [
        "constraints.txt",
        "labextension/yarn.lock",
        "tests/benchmarks/peers/dspy.txt",
        "tests/benchmarks/peers/rlms.txt",
    ],
)
def test_the_pinned_versions_name_no_address(sources: dict[str, bytes], pins: str) -> None:
    assert re.findall(rb"^.*(?:://| @ ).*$", sources[pins], re.MULTILINE) == []


def test_the_sources_hold_what_the_labextension_is_built_from_and_not_what_it_is_built_with(
    sources: dict[str, bytes],
) -> None:
    ours = {path.removeprefix("labextension/") for path in sources if path.startswith("labextension/")}
    assert {"build.py", "package.json", "yarn.lock", ".yarnrc.yml", "tsconfig.json", "src/index.ts"} <= ours
    assert {path.split("/")[0] for path in ours} & {"node_modules", ".yarn", "dist", "lib"} == set()
