"""Where a Java is that Spark runs on: for the tests and the line that sets them up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path


def find_java() -> Path | None:
    """A Java home of version 17 or 21, which Spark 4 runs on."""
    homes = [os.environ.get("JAVA_HOME")]
    on_path = shutil.which("java")
    if on_path:
        homes.append(str(Path(on_path).resolve().parents[1]))
    homes += [str(path) for path in sorted(Path("/usr/lib/jvm").glob("java-*"))]
    for home in filter(None, homes):
        java = Path(home, "bin", "java")
        if not java.is_file():
            continue
        said = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False).stderr
        if re.search(r'version "(17|21)\b', said):
            return Path(home)
    return None
