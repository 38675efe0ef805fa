"""`python -m gateway.documents [folder]`: write both documents into the folder, by default `docs/generated/`."""

import json
import sys
from pathlib import Path

from gateway.documents import asyncapi, openapi


def main(folder: Path) -> None:
    for name, document in (("openapi", openapi()), ("asyncapi", asyncapi())):
        (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/generated"))
