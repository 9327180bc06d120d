"""A fake of Cloud Storage's JSON API (https://cloud.google.com/storage/docs/json_api/v1) over loopback, with faults.

Within a test: ``with FakeCloudStorage(tmp_path) as storage: storage.make_bucket("b1")`` and STORAGE_EMULATOR_HOST=storage.url;
as a process of its own: ``python -m tests.fakes.cloud_storage ROOT PORT BUCKET...``.

Calls, as Faults names them: storage.objects.insert (each request of a resumable upload is one), get (metadata and media), list,
delete, patch, rewrite, copy, compose; storage.buckets.get, insert, list, patch, delete, testIamPermissions; storage.batch.
Kinds beside those of every fake: "wrong_crc": the bytes of an upload are damaged on their way (refused with 400 where a checksum
came with them, kept damaged otherwise), those of a download too (its X-Goog-Hash is right), and the metadata's crc32c is wrong.

Not modelled: versions of the past, ACLs, retention, encryption keys, gzip transcoding, the XML API.
"""

import base64
import email.parser
import email.policy
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.fakes.bucket_files import Bucket, BucketFiles, Preconditions, Refusal, Staged, StoredObject
from tests.fakes.faults import Fault, Faults
from tests.fakes.rest import Answer, Lost, Request, RestServer

_BLOCK = 1 << 20
_MOST_COMPONENTS = 32
_LISTED_AT_ONCE = 1000
_REASONS = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    429: "rateLimitExceeded",
    500: "backendError",
    503: "backendError",
}
_MESSAGES = {
    403: "fake@p1.iam.gserviceaccount.com does not have permission to access the Google Cloud Storage {what}.",
    429: "The rate of change requests exceeds the rate limit.",
    503: "We encountered an internal error. Please try again.",
}


@dataclass
class Upload:
    """A resumable upload: its session's address is ``/upload/...&upload_id=KEY``; ``done`` when it is an object."""

    bucket: str
    name: str
    staged: Staged
    query: Mapping[str, str]
    attributes: Mapping[str, Any]
    checksums: dict[str, str]
    done: StoredObject | None = None


@dataclass(frozen=True)
class Change:
    """A line of the ledger: a change that was made."""

    call: str
    uri: str
    generation: int


class FakeCloudStorage(RestServer):
    """The server, for STORAGE_EMULATOR_HOST.

    Attributes:
        files: the buckets and objects.
        faults: what is to go wrong, and the counts of all calls.
        ledger: every change made, in order.
        denied: permissions that testIamPermissions does not grant.
        rewrite_bytes: bytes that one call of rewriteTo copies at most; a longer object takes several.
    """

    def __init__(self, root: Path, *, port: int = 0, faults: Faults | None = None) -> None:
        super().__init__(port)
        self.files = BucketFiles(Path(root))
        self.faults = faults or Faults()
        self.ledger: list[Change] = []
        self.denied: set[str] = set()
        self.rewrite_bytes = 1 << 40
        self.uploads: dict[str, Upload] = {}
        self._rewrites: dict[str, int] = {}

    def make_bucket(self, name: str, location: str = "US") -> str:
        """A new bucket; returns its URI."""
        return f"gs://{self.files.make_bucket(name, location).name}"

    def objects(self, prefix: str = "gs://") -> list[str]:
        """The URIs of all objects that begin with ``prefix``, sorted."""
        buckets = sorted(folder.name for folder in self.files.root.iterdir() if not folder.name.startswith("."))
        found = [f"gs://{bucket}/{name}" for bucket in buckets for name in self.files.names(bucket, "")]
        return [uri for uri in found if uri.startswith(prefix)]

    def handle(self, request: Request) -> Answer:
        """Answers a call; raises Lost where the caller is to hear nothing."""
        for method, pattern, call, function in _ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return self._call(call, function, request, [unquote(part) for part in match.groups()])
        return _refused(Refusal(404, "notFound", f"the fake does not know {request.method} {request.path}"))

    def _call(self, call: str, function: Callable[..., Answer], request: Request, places: list[str]) -> Answer:
        fault = self.faults.take(call)
        kind = fault.kind if fault else ""
        if fault and kind == "timeout":
            time.sleep(fault.seconds)
            raise Lost
        if kind.isdigit():
            return _refused(_planned(int(kind), places))
        try:
            answer = function(self, _damaged(request, fault) if kind == "wrong_crc" else request, *places)
        except Refusal as refusal:
            answer = _refused(refusal)
        if kind == "lost_response":
            raise Lost
        if kind == "wrong_crc" and request.method == "GET":
            _damage(answer)
        return answer

    # Buckets

    def list_buckets(self, request: Request) -> Answer:
        return Answer(json={"kind": "storage#buckets", "items": [_bucket_json(b) for b in self.files.buckets.values()]})

    def insert_bucket(self, request: Request) -> Answer:
        value = request.json()
        return Answer(json=_bucket_json(self.files.make_bucket(value["name"], value.get("location", "US"))))

    def get_bucket(self, request: Request, bucket: str) -> Answer:
        return Answer(json=_bucket_json(self.files.bucket(bucket)))

    def patch_bucket(self, request: Request, bucket: str) -> Answer:
        found, value = self.files.bucket(bucket), request.json()
        labels = {**found.labels, **value.get("labels", {})}
        found.labels = {key: label for key, label in labels.items() if label is not None}
        found.metageneration += 1
        return Answer(json=_bucket_json(found))

    def delete_bucket(self, request: Request, bucket: str) -> Answer:
        if self.files.names(bucket, ""):
            raise Refusal(409, "conflict", "The bucket you tried to delete is not empty.")
        del self.files.buckets[bucket]
        (self.files.root / bucket).rmdir()
        return Answer(204)

    def test_permissions(self, request: Request, bucket: str) -> Answer:
        self.files.bucket(bucket)
        asked = request.query.get("permissions", "").split("\n")
        return Answer(json={"permissions": [name for name in asked if name and name not in self.denied]})

    # Uploads

    def insert(self, request: Request, bucket: str) -> Answer:
        kind = request.query.get("uploadType")
        self.files.bucket(bucket)
        if kind == "resumable":
            return self._begin(request, bucket)
        if kind == "multipart":
            value, content = _multipart(request)
            name = value.get("name") or request.query["name"]
            received = {key: value.get(field) for key, field in (("crc32c", "crc32c"), ("md5", "md5Hash"))}
            blocks: Iterator[bytes] = iter([content])
        else:
            name, value, received, blocks = request.query["name"], {}, {}, request.blocks
        staged = self._stage(blocks)
        checksums = {**{key: found for key, found in received.items() if found}, **_checksums(request.headers)}
        attributes = _attributes(value, request.headers.get("X-Upload-Content-Type") or request.headers.get("Content-Type"))
        stored = self.files.put(bucket, name, staged, Preconditions.of(request.query), checksums, **attributes)
        return self._changed("insert", stored, Answer(json=_object_json(stored, request.host)))

    def _begin(self, request: Request, bucket: str) -> Answer:
        value = request.json()
        name = value.get("name") or request.query["name"]
        Preconditions.of(request.query).check(self.files.find(bucket, name))
        checksums = {key: value[field] for key, field in (("crc32c", "crc32c"), ("md5", "md5Hash")) if field in value}
        attributes = _attributes(value, request.headers.get("X-Upload-Content-Type"))
        key = f"upload-{len(self.uploads) + 1}"
        checksums |= _checksums(request.headers)
        self.uploads[key] = Upload(bucket, name, self.files.stage(), request.query, attributes, checksums)
        where = (
            f"http://{request.host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&name={quote(name, '')}&upload_id={key}"
        )
        return Answer(headers={"Location": where, "X-GUploader-UploadID": key})

    def go_on(self, request: Request, bucket: str) -> Answer:
        """A chunk of a resumable upload, or the question how far it is."""
        upload = self.uploads.get(request.query.get("upload_id", ""))
        if upload is None:
            raise Refusal(404, "notFound", "the upload session is not known")
        if upload.done:
            return Answer(json=_object_json(upload.done, request.host))
        upload.checksums |= _checksums(request.headers)
        total = self._receive(request, upload)
        if total is None or upload.staged.size < total:
            received = upload.staged.size
            return Answer(308, headers={"Range": f"bytes=0-{received - 1}"} if received else {})
        conditions = Preconditions.of(upload.query)
        try:
            upload.done = self.files.put(bucket, upload.name, upload.staged, conditions, upload.checksums, **upload.attributes)
        except Refusal:
            del self.uploads[request.query["upload_id"]]
            raise
        return self._changed("insert", upload.done, Answer(json=_object_json(upload.done, request.host)))

    def _receive(self, request: Request, upload: Upload) -> int | None:
        """Keeps what is new of a chunk; returns the upload's whole size where the caller knows it."""
        asked = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("Content-Range", ""))
        if asked is None:
            total = int(request.headers.get("Content-Length") or 0)
            for block in request.blocks:
                upload.staged.write(block)
            return total
        if asked[1]:
            known = upload.staged.size - int(asked[1])
            if known < 0:
                raise Refusal(400, "invalid", f"the chunk begins at {asked[1]}, but only {upload.staged.size} bytes have come")
            for block in request.blocks:
                upload.staged.write(block[known:])
                known = max(0, known - len(block))
        return None if asked[3] == "*" else int(asked[3])

    def cancel_upload(self, request: Request, bucket: str) -> Answer:
        upload = self.uploads.pop(request.query.get("upload_id", ""), None)
        if upload and not upload.done:
            upload.staged.discard()
        return Answer(499)

    def _stage(self, blocks: Iterator[bytes]) -> Staged:
        staged = self.files.stage()
        try:
            for block in blocks:
                staged.write(block)
        except BaseException:
            staged.discard()
            raise
        return staged

    # Objects

    def get_object(self, request: Request, bucket: str, name: str) -> Answer:
        if request.query.get("alt") == "media":
            return self.download(request, bucket, name)
        stored = self.files.get(bucket, name, request.query.get("generation"))
        Preconditions.of(request.query).check(stored, reading=True)
        return Answer(json=_object_json(stored, request.host))

    def download(self, request: Request, bucket: str, name: str) -> Answer:
        conditions, generation = Preconditions.of(request.query), request.query.get("generation")
        stored, stream = self.files.open(bucket, name, conditions, generation)
        headers = {
            "Content-Type": stored.content_type,
            "ETag": _etag(stored),
            "X-Goog-Generation": str(stored.generation),
            "X-Goog-Metageneration": str(stored.metageneration),
            "X-Goog-Stored-Content-Length": str(stored.size),
            "X-Goog-Stored-Content-Encoding": "identity",
            "X-Goog-Hash": f"crc32c={stored.crc32c}" + (f",md5={stored.md5}" if stored.md5 else ""),
        }
        span = _span(request.headers.get("Range"), stored.size)
        if span is None:
            return Answer(200, headers=headers, stream=_read(stream, 0, stored.size), length=stored.size)
        first, end = span
        if first >= stored.size:
            stream.close()
            return Answer(416, headers={"Content-Range": f"bytes */{stored.size}"}, content=b"Requested range not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{stored.size}"
        return Answer(206, headers=headers, stream=_read(stream, first, end), length=end - first)

    def list_objects(self, request: Request, bucket: str) -> Answer:
        query = request.query
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = base64.urlsafe_b64decode(query["pageToken"]).decode() if "pageToken" in query else ""
        most = min(int(query.get("maxResults", _LISTED_AT_ONCE)), _LISTED_AT_ONCE)
        items: list[str] = []
        prefixes: dict[str, None] = {}
        answer: dict[str, Any] = {"kind": "storage#objects"}
        for name in self.files.names(bucket, prefix):
            if name < query.get("startOffset", "") or ("endOffset" in query and name >= query["endOffset"]):
                continue
            inner = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            entry = prefix + inner[0] + inner[1] if inner[1] else name
            if entry <= after or entry in prefixes:
                continue
            if len(items) + len(prefixes) == most:
                last = max([*items[-1:], *list(prefixes)[-1:]])
                answer["nextPageToken"] = base64.urlsafe_b64encode(last.encode()).decode()
                break
            if inner[1]:
                prefixes[entry] = None
            else:
                items.append(entry)
        found = (self.files.find(bucket, name) for name in items)
        answer["items"] = [_object_json(stored, request.host) for stored in found if stored]
        return Answer(json={**answer, "prefixes": list(prefixes)})

    def delete_object(self, request: Request, bucket: str, name: str) -> Answer:
        stored = self.files.delete(bucket, name, Preconditions.of(request.query), request.query.get("generation"))
        return self._changed("delete", stored, Answer(204))

    def patch_object(self, request: Request, bucket: str, name: str) -> Answer:
        metadata = request.json().get("metadata") or {}
        stored = self.files.update(bucket, name, Preconditions.of(request.query), metadata)
        return self._changed("patch", stored, Answer(json=_object_json(stored, request.host)))

    def rewrite(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Answer:
        source = self.files.get(bucket, name, request.query.get("sourceGeneration"))
        value: dict[str, Any] = {"kind": "storage#rewriteResponse", "objectSize": str(source.size)}
        Preconditions.of(request.query, "ifSource").check(source)
        Preconditions.of(request.query).check(self.files.find(to_bucket, to_name))
        most = min(int(request.query.get("maxBytesRewrittenPerCall", self.rewrite_bytes)), self.rewrite_bytes)
        token = request.query.get("rewriteToken") or f"rewrite-{len(self._rewrites) + 1}"
        copied = self._rewrites[token] = min(self._rewrites.get(token, 0) + most, source.size)
        if copied < source.size:
            return Answer(json={**value, "done": False, "totalBytesRewritten": str(copied), "rewriteToken": token})
        stored = self._copy(request, bucket, name, to_bucket, to_name)
        value |= {"done": True, "totalBytesRewritten": str(stored.size), "resource": _object_json(stored, request.host)}
        return self._changed("rewrite", stored, Answer(json=value))

    def copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Answer:
        stored = self._copy(request, bucket, name, to_bucket, to_name)
        return self._changed("copy", stored, Answer(json=_object_json(stored, request.host)))

    def _copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> StoredObject:
        conditions = Preconditions.of(request.query, "ifSource")
        source, stream = self.files.open(bucket, name, conditions, request.query.get("sourceGeneration"))
        staged = self._stage(_read(stream, 0, source.size))
        attributes = {"content_type": source.content_type, "metadata": source.metadata}
        return self.files.put(to_bucket, to_name, staged, Preconditions.of(request.query), {}, **attributes)

    def compose(self, request: Request, bucket: str, name: str) -> Answer:
        value = request.json()
        sources = value["sourceObjects"]
        if not 1 <= len(sources) <= _MOST_COMPONENTS:
            raise Refusal(400, "invalid", f"The number of source components provided ({len(sources)}) exceeds the maximum (32)")
        streams = []
        for source in sources:
            conditions = Preconditions.of({key: str(v) for key, v in source.get("objectPreconditions", {}).items()})
            streams.append(self.files.open(bucket, source["name"], conditions, str(source.get("generation") or "")))
        staged = self._stage(block for stored, stream in streams for block in _read(stream, 0, stored.size))
        components = sum(max(1, stored.components) for stored, _ in streams)
        attributes = {**_attributes(value.get("destination", {}), None), "components": components}
        stored = self.files.put(bucket, name, staged, Preconditions.of(request.query), {}, **attributes)
        return self._changed("compose", stored, Answer(json=_object_json(stored, request.host)))

    def batch(self, request: Request) -> Answer:
        """Up to 100 calls at once, each answered in its own part, in the order of the calls."""
        header = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(header + request.bytes())
        parts = list(message.iter_parts())
        if len(parts) > 100:
            raise Refusal(400, "invalid", f"The batch has {len(parts)} calls; the maximum is 100")
        answers: list[bytes] = []
        lost = False
        for part in parts:
            try:
                answer = self.handle(_part(part.get_content(), request.host))
            except Lost:
                lost = True
                continue
            content = answer.body()
            head = f"Content-Type: application/http\r\nContent-ID: <response-{len(answers) + 1}>\r\n\r\n"
            inner = f"HTTP/1.1 {answer.status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            answers.append((head + inner).encode() + content)
        if lost:
            raise Lost
        joined = b"".join(b"--part\r\n" + answer + b"\r\n" for answer in answers) + b"--part--\r\n"
        return Answer(headers={"Content-Type": 'multipart/mixed; boundary="part"'}, content=joined)

    def token(self, request: Request) -> Answer:
        """OAuth's token for the key file of a made service account."""
        return Answer(json={"access_token": "fake", "expires_in": 3600, "token_type": "Bearer"})

    def _changed(self, call: str, stored: StoredObject, answer: Answer) -> Answer:
        self.ledger.append(Change(call, f"gs://{stored.bucket}/{stored.name}", stored.generation))
        return answer


_BUCKET = r"(?:/storage/v1)?/b/([^/]+)"
_OBJECT = _BUCKET + r"/o/([^/]+)"
_ROUTES: tuple[tuple[str, str, str, Callable[..., Answer]], ...] = (
    ("GET", r"(?:/storage/v1)?/b", "storage.buckets.list", FakeCloudStorage.list_buckets),
    ("POST", r"(?:/storage/v1)?/b", "storage.buckets.insert", FakeCloudStorage.insert_bucket),
    ("GET", _BUCKET, "storage.buckets.get", FakeCloudStorage.get_bucket),
    ("PATCH", _BUCKET, "storage.buckets.patch", FakeCloudStorage.patch_bucket),
    ("DELETE", _BUCKET, "storage.buckets.delete", FakeCloudStorage.delete_bucket),
    ("GET", _BUCKET + "/iam/testPermissions", "storage.buckets.testIamPermissions", FakeCloudStorage.test_permissions),
    ("POST", r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o", "storage.objects.insert", FakeCloudStorage.insert),
    ("PUT", r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o", "storage.objects.insert", FakeCloudStorage.go_on),
    ("DELETE", r"(?:/resumable)?/upload/storage/v1/b/([^/]+)/o", "storage.objects.insert", FakeCloudStorage.cancel_upload),
    ("GET", _BUCKET + "/o", "storage.objects.list", FakeCloudStorage.list_objects),
    ("GET", _OBJECT, "storage.objects.get", FakeCloudStorage.get_object),
    ("GET", r"/download/storage/v1/b/([^/]+)/o/([^/]+)", "storage.objects.get", FakeCloudStorage.download),
    ("DELETE", _OBJECT, "storage.objects.delete", FakeCloudStorage.delete_object),
    ("PATCH", _OBJECT, "storage.objects.patch", FakeCloudStorage.patch_object),
    ("POST", _OBJECT + r"/rewriteTo/b/([^/]+)/o/([^/]+)", "storage.objects.rewrite", FakeCloudStorage.rewrite),
    ("POST", _OBJECT + r"/copyTo/b/([^/]+)/o/([^/]+)", "storage.objects.copy", FakeCloudStorage.copy),
    ("POST", _OBJECT + "/compose", "storage.objects.compose", FakeCloudStorage.compose),
    ("POST", r"/batch/storage/v1", "storage.batch", FakeCloudStorage.batch),
    ("POST", r"/token", "oauth.token", FakeCloudStorage.token),
)


def _planned(status: int, places: list[str]) -> Refusal:
    what = "object" if len(places) > 1 else "bucket"
    return Refusal(status, _REASONS.get(status, "backendError"), _MESSAGES.get(status, f"a planned {status}").format(what=what))


def _refused(refusal: Refusal) -> Answer:
    if refusal.status == 304:
        return Answer(304)
    error = {"message": refusal.message, "domain": "global", "reason": refusal.reason}
    return Answer(refusal.status, {"error": {"code": refusal.status, "message": refusal.message, "errors": [error]}})


def _damaged(request: Request, fault: Fault | None) -> Request:
    """The same upload with a bit of its bytes turned over; questions and metadata stay whole."""
    if request.method == "GET" or (request.method == "POST" and request.query.get("uploadType") == "resumable"):
        return request
    content = request.bytes()
    if content:
        place = len(content) // 2
        if request.query.get("uploadType") == "multipart":
            place = content.rindex(b"\r\n--") - 1  # the last byte of the last part
        content = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    return Request(request.method, request.path, request.query, request.headers, iter([content]), request.host)


def _damage(answer: Answer) -> None:
    if answer.stream:
        answer.stream = _turned(answer.stream)
    elif isinstance(answer.json, dict) and "crc32c" in answer.json:
        answer.json["crc32c"] = base64.b64encode(bytes(4)).decode()


def _turned(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for index, block in enumerate(blocks):
        yield bytes([block[0] ^ 1]) + block[1:] if index == 0 and block else block


def _read(stream: Any, first: int, end: int) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        while first < end:
            block = stream.read(min(_BLOCK, end - first))
            first += len(block)
            yield block


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the byte after the last that a Range header asks for; None for all."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if asked is None or not (asked[1] or asked[2]):
        return None
    if not asked[1]:
        return max(0, size - int(asked[2])), size
    return int(asked[1]), min(int(asked[2]) + 1, size) if asked[2] else size


def _multipart(request: Request) -> tuple[dict[str, Any], bytes]:
    """The metadata and the bytes of a multipart/related upload; the bytes are cut out, as no mail parser leaves them alone."""
    boundary = re.search(r"boundary=[\"']?([^\"';]+)", request.headers["Content-Type"])
    if boundary is None:
        raise Refusal(400, "invalid", "a multipart upload without a boundary")
    content, mark = request.bytes(), b"--" + boundary[1].encode()
    starts = [match.start() for match in re.finditer(rb"(?:^|\r\n)" + re.escape(mark), content)]
    parts = [content[first:end].partition(b"\r\n\r\n")[2] for first, end in pairwise(starts)]
    if len(parts) != 2:
        raise Refusal(400, "invalid", f"a multipart upload has two parts, not {len(parts)}")
    return json.loads(parts[0]), parts[1]


def _part(content: bytes | str, host: str) -> Request:
    text = content if isinstance(content, str) else content.decode()
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.strip().split("\n")
    method, address, _ = first.split(" ", 2)
    headers = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    place = urlsplit(address)
    query = dict(parse_qsl(place.query, keep_blank_values=True))
    return Request(method, place.path, query, headers, iter([body.strip().encode()]), host)


def _checksums(headers: Mapping[str, str]) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in (headers.get("X-Goog-Hash") or headers.get("x-goog-hash") or "").split(","))
    return {key: value for key, _, value in pairs if value}


def _attributes(value: Mapping[str, Any], content_type: str | None) -> dict[str, Any]:
    kind = value.get("contentType") or (content_type if content_type and "multipart/" not in content_type else None)
    return {"content_type": kind or "application/octet-stream", "metadata": value.get("metadata") or {}}


def _etag(stored: StoredObject) -> str:
    return base64.b64encode(f"{stored.generation}/{stored.metageneration}".encode()).decode()


def _bucket_json(bucket: Bucket) -> dict[str, Any]:
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "projectNumber": "1",
        "metageneration": str(bucket.metageneration),
        "location": bucket.location,
        "locationType": "multi-region" if bucket.location in ("US", "EU", "ASIA") else "region",
        "storageClass": "STANDARD",
        "labels": bucket.labels,
        "etag": "CAE=",
        "timeCreated": "2026-01-01T00:00:00.000Z",
        "updated": "2026-01-01T00:00:00.000Z",
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    }


def _object_json(stored: StoredObject, host: str) -> dict[str, Any]:
    place = f"b/{stored.bucket}/o/{quote(stored.name, '')}"
    value: dict[str, Any] = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"http://{host}/storage/v1/{place}",
        "mediaLink": f"http://{host}/download/storage/v1/{place}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": stored.content_type,
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "crc32c": stored.crc32c,
        "etag": _etag(stored),
        "timeCreated": stored.created,
        "updated": stored.created,
    }
    value |= {"md5Hash": stored.md5} if stored.md5 else {}
    value |= {"metadata": dict(stored.metadata)} if stored.metadata else {}
    return value | ({"componentCount": stored.components} if stored.components else {})


def main(root: str, port: str, *buckets: str) -> None:
    """Answers until it is stopped; prints its URL first."""
    fake = FakeCloudStorage(Path(root), port=int(port))
    for bucket in buckets:
        fake.make_bucket(bucket)
    sys.stdout.write(f"{fake.url}\n")
    sys.stdout.flush()
    with fake, suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
