"""The executor compiled for the Python that runs it: on a small node most of its start is reading its own source.

Only what lies on the node is compiled, beside the source and for one version of Python. It is no part of what SATURN
sends, and is read only as long as it is whole: its first line is the sha256 of the rest.
"""

from __future__ import annotations

import hashlib
import os
import sys


def compiled_name(short: str) -> str:
    """The file's name beside `saturn-node-<short>.pyz`, for this very Python. The bootstrap spells it alike."""
    return f"saturn-node-{short}.{sys.implementation.cache_tag}-{sys.hexversion:x}.zip"


def quickest(program: str) -> str:
    """The archive to load a program's modules from: the compiled one beside it when that is whole, else itself."""
    folder, name = os.path.split(program)
    path = os.path.join(folder, compiled_name(name[len("saturn-node-") : -len(".pyz")]))
    try:
        with open(path, "rb") as file:
            digest, _, code = file.read().partition(b"\n")
    except OSError:
        return program
    return path if hashlib.sha256(code).hexdigest().encode() == digest else program


def compiled(payload: bytes) -> bytes:
    """The modules of a payload as one archive that zipimport takes, behind a line with its sha256."""
    import importlib.util  # what is needed once a version shall not cost at every start
    import io
    import marshal
    import zipfile

    # Magic number, flags, and time and size of a source that is not there (PEP 552).
    header = importlib.util.MAGIC_NUMBER + bytes(12)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(payload)) as sources, zipfile.ZipFile(buffer, "w") as archive:
        for name in sources.namelist():
            module = compile(sources.read(name), name, "exec", dont_inherit=True)
            archive.writestr(zipfile.ZipInfo(name + "c"), header + marshal.dumps(module))
    code = buffer.getvalue()
    return hashlib.sha256(code).hexdigest().encode() + b"\n" + code
