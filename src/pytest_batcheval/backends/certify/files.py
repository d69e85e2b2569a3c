"""Cases on files and on what an upload refuses."""

from __future__ import annotations

from pytest_batcheval.backends.certify.case import Chapter, Deviation, Lacking
from pytest_batcheval.backends.certify.expect import equal, is_one_of
from pytest_batcheval.backends.certify.server import Reply, Server, jsonl

FILES = Chapter("files")
UPLOADS = Chapter("upload limits")


@FILES.case()
def upload(server: Server) -> None:
    """An upload gives a File object: id, object, bytes, created_at, filename, purpose."""
    data = jsonl([server.line(1)])
    file = server.send_file(data).object()
    equal(file, object="file", bytes=len(data), filename="certify.jsonl", purpose="batch")
    if not isinstance(file.get("id"), str) or not isinstance(file.get("created_at"), int):
        raise Deviation(f"id {file.get('id')!r}, created_at {file.get('created_at')!r}")


@FILES.case()
def plain_bytes_without_a_file_name(server: Server) -> None:
    """An upload of bytes works, which SDKs send under the name `upload`."""
    server.send_file(jsonl([server.line(1)]), name="upload").object()


@FILES.case()
def lines_are_checked_by_the_batch(server: Server) -> None:
    """An upload checks the first line's JSON only: a file whose second line is broken is taken."""
    server.send_file(jsonl([server.line(1), "{broken"])).object()


@FILES.case()
def retrieve_a_file(server: Server) -> None:
    """GET /files/{id} gives the File object of the upload."""
    name = _known(server)
    equal(server.get(f"/files/{name}"), id=name, object="file", purpose="batch")


@FILES.case()
def files_of_a_purpose(server: Server) -> None:
    """GET /files?purpose=batch lists files of that purpose only, as {object, data, has_more}."""
    name = _known(server)
    page = server.get("/files?purpose=batch")
    equal(page, object="list")
    files = page.get("data")
    if not isinstance(files, list) or not any(file.get("id") == name for file in files):
        raise Deviation("the file just uploaded is not in the list")
    is_one_of("has_more", page.get("has_more"), (True, False))
    for file in files:
        equal(file, purpose="batch")


@FILES.case()
def delete_a_file(server: Server) -> None:
    """DELETE /files/{id} gives {id, object: file, deleted: true}, and the file is a 404 then."""
    name = server.upload([server.line(1)])
    equal(server.ask("DELETE", f"/files/{name}").object(), id=name, object="file", deleted=True)
    server.ask("GET", f"/files/{name}").refusal(404)


@FILES.case()
def unknown_file(server: Server) -> None:
    """A file that does not exist is a 404, for GET, its content and DELETE."""
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        server.ask(method, f"/files/file-00000000000000000000abcd{path}").refusal(404)


@UPLOADS.case()
def upload_without_purpose(server: Server) -> None:
    """`purpose` is required: 400."""
    _refused(server, server.send_file(jsonl([server.line(1)]), purpose=None))


@UPLOADS.case()
def upload_without_file(server: Server) -> None:
    """`file` is required: 400."""
    _refused(server, server.send_file(b"", name=None))


@UPLOADS.case()
def unknown_purpose(server: Server) -> None:
    """A purpose that the API does not have is a 400."""
    _refused(server, server.send_file(jsonl([server.line(1)]), purpose="batches"))


@UPLOADS.case()
def empty_file(server: Server) -> None:
    """An empty file of purpose `batch` is a 400."""
    _refused(server, server.send_file(b""))


@UPLOADS.case()
def file_that_is_not_jsonl(server: Server) -> None:
    """A file of purpose `batch` whose first line is no JSON is a 400."""
    _refused(server, server.send_file(b"custom_id,method\n"))


@UPLOADS.case()
def name_that_is_not_jsonl(server: Server) -> None:
    """A file of purpose `batch` named notes.txt is a 400: it must be .jsonl."""
    _refused(server, server.send_file(jsonl([server.line(1)]), name="notes.txt"))


@UPLOADS.case()
def file_that_lives_too_short(server: Server) -> None:
    """`expires_after` of 3,599 seconds is a 400: from one hour to 30 days."""
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}
    _refused(server, server.send_file(jsonl([server.line(1)]), **fields))


@UPLOADS.case(large=True)
def file_that_is_too_large(server: Server) -> None:
    """A file of more than 200 MB is a 400, or a 413 of a proxy."""
    reply = server.send_file(jsonl([server.line(1)]) + b" " * 200_000_000)
    if reply.status not in (400, 413):
        raise Deviation(reply.seen)


def _known(server: Server) -> str:
    return str(server.shared("file", lambda: server.upload([server.line(1)])))


def _refused(server: Server, reply: Reply) -> None:
    """Require a 400 of a server that takes good files."""
    try:
        _known(server)
    except Lacking:
        raise Lacking("an upload, which could be refused") from None
    reply.refusal(400)
