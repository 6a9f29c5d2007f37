"""Add to a list of what a release brings (CycloneDX, JSON) its own version, and the npm packages in the labextension.

`.venv/shipped/bin/python .ci/bundled.py build/sbom.cdx.json`: both are those of what is installed beside that Python.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from urllib.parse import quote

LABEXTENSION = Path(sys.prefix) / "share/jupyter/labextensions/rlm-jupyter"


def main() -> None:
    """Rewrite the list in place."""
    path, version = Path(sys.argv[1]), version_of("rlm-jupyter")
    listed = json.loads(path.read_text())
    ours = listed["metadata"]["component"]
    ours |= {"version": version, "purl": f"pkg:pypi/rlm-jupyter@{version}"}
    bundled = []
    for package in json.loads((LABEXTENSION / "static/third-party-licenses.json").read_text())["packages"]:
        purl = f"pkg:npm/{quote(package['name'], safe='/')}@{package['versionInfo']}"
        bundled.append(
            {
                "type": "library",
                "bom-ref": purl,
                "purl": purl,
                "name": package["name"],
                "version": package["versionInfo"],
                "licenses": [{"license": {"id": package["licenseId"]}}],
                "description": "Bundled in the JupyterLab extension.",
            }
        )
    listed["components"] += bundled
    (needs,) = (entry for entry in listed["dependencies"] if entry["ref"] == ours["bom-ref"])
    needs["dependsOn"] += [package["bom-ref"] for package in bundled]
    listed["dependencies"] += [{"ref": package["bom-ref"]} for package in bundled]
    path.write_text(json.dumps(listed, indent=2) + "\n")


if __name__ == "__main__":
    main()
