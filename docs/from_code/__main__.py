"""``python docs/from_code FOLDER`` writes the reference into a folder, and deletes what is no page any more."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Write the pages."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from from_code.pages import pages

    if len(sys.argv) != 2:
        sys.exit("Which folder? python docs/from_code docs/reference")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for page in folder.glob("*.md"):
        if page.name not in made:
            page.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
