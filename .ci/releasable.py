"""Say whether what was built may be released under a tag, and write what CHANGELOG.md says of it.

`python .ci/releasable.py v0.1.0 notes.md` in a clone, after `make dist`. It prints `candidate=true` for a version that
comes before a release, else `candidate=false`. What is wrong goes to stderr, and the exit code is 1.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
HEADING = re.compile(r"^## (\S+)(?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def read_tag(tag: str) -> Version:
    """Return the version that a tag names: `v`, then the version as Python writes it."""
    try:
        version = Version(tag.removeprefix("v"))
    except InvalidVersion:
        version = None
    if version is None or tag != f"v{version}":
        msg = f"The tag {tag} is no version: write it as v0.1.0, or v0.1.0rc1 for a candidate."
        raise ValueError(msg)
    if version.is_devrelease or version.local:
        msg = f"{version} is not for release: take what begins with .dev or + off the version, and tag that."
        raise ValueError(msg)
    return version


def check_built(folder: Path, version: Version) -> None:
    """Raise `ValueError` unless the folder holds one wheel and one source distribution, both of this version."""
    built = {path.name: parse_wheel_filename(path.name)[1] for path in folder.glob("*.whl")}
    built |= {path.name: parse_sdist_filename(path.name)[1] for path in folder.glob("*.tar.gz")}
    if len(built) != 2:
        msg = f"{folder} holds {', '.join(sorted(built)) or 'nothing'}, and not one wheel and one source distribution."
        raise ValueError(msg)
    others = sorted(name for name, made in built.items() if made != version)
    if others:
        msg = f"The tag says {version}, and these are of another version: {', '.join(others)}."
        raise ValueError(msg)


def read_notes(changelog: str, version: Version) -> str:
    """Return a version's section of the changelog. A candidate has that of its release, or of what is unreleased.

    Raises:
        ValueError: There is none, that of a release has no date, or nothing stands in it.
    """
    headings = list(HEADING.finditer(changelog))
    ends = [*(heading.start() for heading in headings[1:]), len(changelog)]
    sections = {
        heading[1]: (heading[2], changelog[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    }
    date, notes = sections.get(version.base_version, (None, ""))
    if date is None and version.is_prerelease:
        notes = sections.get("Unreleased", (None, ""))[1]
    elif date is None:
        notes = ""
    if not notes:
        unreleased = ", nor `## Unreleased`" if version.is_prerelease else ""
        msg = (
            f"CHANGELOG.md has no section `## {version.base_version} - YEAR-MONTH-DAY`{unreleased} that says what is "
            "new."
        )
        raise ValueError(msg)
    return notes


def main() -> int:
    """Check what stands in `dist`, write the notes of the release, and print whether it is a candidate."""
    tag, notes = sys.argv[1:]
    try:
        version = read_tag(tag)
        check_built(ROOT / "dist", version)
        Path(notes).write_text(read_notes((ROOT / "CHANGELOG.md").read_text(), version) + "\n")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"candidate={str(version.is_prerelease).lower()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
