"""The parts of the package's metadata that need the address of the repository, which the one who releases gives.

PGSLO_REPOSITORY=https://…/pgslo makes the links of the README absolute, as PyPI needs them, and adds the project's links. Without it,
as in a checkout, the README is as it is in the repository.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"(!?\[[^]]*\]\()(?![a-z][a-z+.-]*:|#)([^)\s]+)\)")


class Metadata(MetadataHookInterface):
    """Adds ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, object]) -> None:
        """Add both to the metadata of a build."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["urls"] = {}
        if address := os.environ.get("PGSLO_REPOSITORY", "").rstrip("/"):
            files = f"{address}/blob/v{metadata['version']}/"
            raw = f"{address}/raw/v{metadata['version']}/"
            text = RELATIVE.sub(
                lambda link: f"{link[1]}{raw if link[1][0] == '!' else files}{link[2]})", text
            )
            metadata["urls"] = {
                "Repository": address,
                "Documentation": files + "docs/README.md",
                "Changelog": files + "CHANGELOG.md",
                "Issues": address + "/issues",
                "Security": files + "SECURITY.md",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
