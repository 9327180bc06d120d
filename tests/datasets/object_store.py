"""An fsspec filesystem with the habits of an object store: flat keys, an object appears when its stream is closed."""

from typing import Any, ClassVar

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem


class _Upload(AbstractBufferedFile):
    def _initiate_upload(self) -> None:
        self.parts: list[bytes] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        self.parts.append(self.buffer.getvalue())
        if final:
            self.fs.objects[self.path] = b"".join(self.parts)
        return True

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = self.fs.objects[self.path][start:end]
        return content


class ObjectStore(AbstractFileSystem):
    """Keeps its objects in ``objects``, key -> content."""

    protocol = "objects"
    objects: ClassVar[dict[str, bytes]] = {}
    cachable = False

    def _open(self, path: str, mode: str = "rb", **options: Any) -> _Upload:
        return _Upload(self, path, mode, block_size=8, **{k: v for k, v in options.items() if k == "autocommit"})

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        path = self._strip_protocol(path)
        if path in self.objects:
            found = {path: {"name": path, "size": len(self.objects[path]), "type": "file"}}
        else:
            found = {}
            for key, content in self.objects.items():
                if key.startswith(path + "/"):
                    name, _, below = key[len(path) + 1 :].partition("/")
                    kind = "directory" if below else "file"
                    found[name] = {"name": f"{path}/{name}", "size": 0 if below else len(content), "type": kind}
            if not found:
                raise FileNotFoundError(path)
        return list(found.values()) if detail else [entry["name"] for entry in found.values()]

    def _rm(self, path: str) -> None:
        self.objects.pop(path, None)

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        self.objects[self._strip_protocol(path2)] = self.objects[self._strip_protocol(path1)]


fsspec.register_implementation("objects", ObjectStore, clobber=True)
