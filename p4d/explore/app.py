"""The application: which address shows what, and what an error looks like.

Pages are rendered on the server from the catalogue; `static/` has the player and the form of
verdicts as plain modules. Every page is escaped, loads nothing from elsewhere (the policy below)
and stands behind `p4d/loopback.py`. Read `catalogue.py` and `clip_view.py` for what pages show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from p4d.errors import MissingError, P4DError, QueryError
from p4d.explore import listings, media
from p4d.explore.catalogue import CatalogueReader
from p4d.explore.clip_view import ClipReader
from p4d.explore.fact_charts import GEOMETRY
from p4d.explore.lineage import lineage_of
from p4d.explore.reviewing import MOST_BYTES, store_verdict
from p4d.foreign_json import parse_foreign_json
from p4d.foreign_text import one_line
from p4d.loopback import LoopbackGuard
from p4d.pages.render import render
from p4d.project import Project
from p4d.review.question_view import mark_colour
from p4d.review.verdicts import Verdict, read_verdicts

STATIC = Path(__file__).resolve().parent / "static"

_HEADERS = {
    # Nothing from elsewhere, no inline script, no frame around the page.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

Handler = Callable[[Request], Response]


class Explorer:
    """The pages of one project."""

    def __init__(self, project: Project, reviewer: str = "") -> None:
        """Pages of `project`; `reviewer` is the name that the form of verdicts begins with."""
        self.project = project
        self.reviewer = reviewer
        self.reader = CatalogueReader(project)
        self.media = media.Media(project)
        self.clips = ClipReader(project, self.media)

    def app(self) -> Starlette:
        """The application, behind the guard."""
        gets: Mapping[str, Handler] = {
            "/": self.overview,
            "/videos": self.videos,
            "/clips": self.clip_list,
            "/questions": self.questions,
            "/refused": self.refused,
            "/clips/{clip_id}": self.clip,
            "/clips/{clip_id}/facts": self.facts,
            "/questions/{qa_id}": self.question,
            "/lineage": self.lineage,
            "/media/keys/{name}.png": self.key,
            "/media/clips/{clip_id}/{kind}.png": self.picture,
            "/media/clips/{clip_id}/source/{number:int}.jpg": self.source_frame,
            "/media/clips/{clip_id}/{teacher}/{modality}.png": self.map_strip,
            "/media/clips/{clip_id}/{teacher}/{modality}.f32": self.map_values,
            "/media/videos/{video_id}": self.video,
        }
        return Starlette(
            routes=[
                *(Route(path, _answering(handler)) for path, handler in gets.items()),
                Route("/verdicts", self.verdict, methods=["POST"]),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[Middleware(LoopbackGuard), Middleware(_SecurityHeaders)],
            exception_handlers={404: _not_found, Exception: _failed},
        )

    # --- lists --------------------------------------------------------------------------------

    def overview(self, request: Request) -> Response:
        """The shards, what is unreadable, and the students."""
        catalogue = self.reader.catalogue()
        return self._page("overview", request, **listings.overview(self.project, catalogue))

    def videos(self, request: Request) -> Response:
        """The landed files."""
        found = listings.videos(self.reader.catalogue(), _query(request))
        return self._page("videos", request, **found)

    def clip_list(self, request: Request) -> Response:
        """The clips, with a picture each."""
        found = listings.clips(self.reader.catalogue(), _query(request))
        return self._page("clips", request, **found)

    def questions(self, request: Request) -> Response:
        """The questions, with the answers of the students."""
        found = listings.questions(self.reader.catalogue(), _query(request))
        return self._page("questions", request, **found)

    def refused(self, request: Request) -> Response:
        """The candidates that were not asked, by reason."""
        found = listings.refused(self.reader.catalogue(), _query(request))
        return self._page("refused", request, **found)

    # --- one thing ----------------------------------------------------------------------------

    def clip(self, request: Request) -> Response:
        """Everything about a clip."""
        catalogue = self.reader.catalogue()
        verdicts, notice = self._verdicts()
        limit_sigma, other = self._limit_sigma()
        view = self.clips.view(catalogue, request.path_params["clip_id"], verdicts)
        neighbours = listings.neighbours(catalogue, view.row)
        return self._page(
            "clip", request, view=view, reviewer=self.reviewer, warnings=[notice, other],
            limit_sigma=limit_sigma, neighbours=neighbours,
            geometry=GEOMETRY,
        )  # fmt: skip

    def facts(self, request: Request) -> Response:
        """All facts of a clip as a table."""
        row = self._clip_row(request)
        facts, notices = self.clips.facts(row["shard"], row["clip_id"])
        kind = request.query_params.get("kind", "")
        kinds = sorted({fact.kind for fact in facts})
        shown = [fact for fact in facts if not kind or fact.kind == kind]
        return self._page(
            "facts", request, row=row, facts=shown, kinds=kinds, kind=kind, notices=notices
        )

    def question(self, request: Request) -> Response:
        """The clip of a question, at the question."""
        qa_id = request.path_params["qa_id"]
        row = self.reader.catalogue().question(qa_id)
        if row is None:
            raise MissingError(f"{qa_id} is no question of what is published or released now")
        return RedirectResponse(f"/clips/{row['clip_id']}#{row['qa_id']}")

    def lineage(self, request: Request) -> Response:
        """What an id derives from, and what was made from it."""
        identifier = request.query_params.get("id", "").strip()
        if "part" in request.query_params:  # the page of a clip shows it in place
            return self._lineage_part(request, identifier)
        found = lineage_of(self.project, identifier) if identifier else None
        return self._page("lineage", request, found=found, identifier=identifier)

    def _lineage_part(self, request: Request, identifier: str) -> Response:
        """A section of a page: what is recorded, or why nothing is."""
        found, reason = None, ""
        try:
            found = lineage_of(self.project, identifier)
        except MissingError as error:
            reason = str(error)
        return self._page("lineage_part", request, found=found, reason=reason)

    async def verdict(self, request: Request) -> Response:
        """Write a verdict; answers JSON."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return JSONResponse({"error": "send JSON"}, 415)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return JSONResponse({"error": "the request is too long"}, 413)
        try:
            given = parse_foreign_json(body, "the request")
            stored = await run_in_threadpool(self._store, given)
        except P4DError as error:
            return JSONResponse({"error": one_line(error)}, 400)
        return JSONResponse({"verdict_id": stored.verdict_id, "decision": stored.decision})

    def _store(self, given: object) -> Verdict:
        return store_verdict(self.project, self.reader.catalogue(), given)

    # --- media --------------------------------------------------------------------------------

    def picture(self, request: Request) -> Response:
        """A picture of a clip: its marked first frame, or a strip of all frames."""
        drawers = {
            "marked": self.media.marked,
            "frames": self.media.frames_strip,
            "marks": self.media.marks_strip,
        }
        kind, row = request.path_params["kind"], self._shown_row(request)
        if kind not in drawers:
            raise MissingError(f"no picture {kind!r}; there are {', '.join(drawers)}")
        return _bytes(drawers[kind](row["shard"], row["clip_id"]), "image/png")

    def map_strip(self, request: Request) -> Response:
        """The maps of one teacher as colours."""
        row, modality = self._shown_row(request), _modality(request)
        teacher = request.path_params["teacher"]
        strip = self.media.map_strip(row["shard"], row["clip_id"], teacher, modality)
        return _bytes(strip, "image/png")

    def map_values(self, request: Request) -> Response:
        """The maps of one teacher as numbers."""
        row, modality = self._shown_row(request), _modality(request)
        teacher = request.path_params["teacher"]
        values = self.media.values(row["shard"], row["clip_id"], teacher, modality)
        return _bytes(values, "application/octet-stream")

    def source_frame(self, request: Request) -> Response:
        """A sampled frame at the resolution of the source, for what no browser plays."""
        row, number = self._shown_row(request), request.path_params["number"]
        indices = row["frame_index"] or ()
        if number >= len(indices):
            raise MissingError(f"the clip has {len(indices)} sampled frames")
        video = self.reader.catalogue().video(row["video_id"])
        path = self.clips.video_file(video, row["shard"])
        return _bytes(self.media.source_frame(path, indices[number]), "image/jpeg")

    def video(self, request: Request) -> Response:
        """A source file; browsers ask for ranges of it."""
        video_id = request.path_params["video_id"]
        video = self.reader.catalogue().video(video_id)
        if video is None:
            raise MissingError(f"{video_id} is no landed video of what is published now")
        path = self.clips.video_file(video, video["shard"])
        # Never as a page: the name and the bytes come from outside.
        return FileResponse(path, media_type=_media_type(path), headers=_FRESH)

    def key(self, request: Request) -> Response:
        """The colours of a map."""
        drawers = {"depth": media.depth_key, "flow": media.flow_key}
        name = request.path_params["name"]
        if name not in drawers:
            raise MissingError(f"no key {name!r}; there are {', '.join(drawers)}")
        return _bytes(drawers[name](), "image/png")

    # --- parts --------------------------------------------------------------------------------

    def _clip_row(self, request: Request) -> dict[str, Any]:
        clip_id = request.path_params["clip_id"]
        row = self.reader.catalogue().clip(clip_id)
        if row is None:
            raise MissingError(f"{clip_id} is no clip of what is published now")
        return row

    def _shown_row(self, request: Request) -> dict[str, Any]:
        """The row of a clip whose pictures may be shown."""
        row = self._clip_row(request)
        if row["taken_down"]:
            raise MissingError(f"the source video was taken down: {row['taken_down']}")
        return row

    def _verdicts(self) -> tuple[Mapping[str, list[Verdict]], str]:
        """Verdicts by question, and why there are none if they cannot be read."""
        found: dict[str, list[Verdict]] = {}
        try:
            verdicts = read_verdicts(self.project.root / "reviews")
        except (P4DError, OSError) as error:
            return {}, f"Verdicts cannot be read: {one_line(error)}"
        for verdict in sorted(verdicts, key=lambda each: each.at):
            found.setdefault(verdict.qa_id, []).append(verdict)
        return found, ""

    def _limit_sigma(self) -> tuple[float | None, str]:
        """The least margin of a question, and why it is not known."""
        try:
            return self.project.params.questions.margin_sigma, ""
        except (P4DError, OSError) as error:
            return None, f"params.yaml cannot be read: {one_line(error)}"

    def _page(self, name: str, request: Request, **values: object) -> Response:
        text = render(
            f"explore/templates/{name}.html.j2",
            path=request.url.path,
            colour=mark_colour,
            project=self.project.root.name,
            **values,
        )
        return HTMLResponse(text, headers=_FRESH)


_FRESH = {"Cache-Control": "no-cache"}

_MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",  # the same boxes; browsers refuse to try video/quicktime
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
}


def _media_type(path: Path) -> str:
    return _MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")


def _modality(request: Request) -> str:
    modality = str(request.path_params["modality"])
    if modality not in media.MODALITIES:
        raise MissingError(f"no map {modality!r}; there are {', '.join(media.MODALITIES)}")
    return modality


def _bytes(payload: bytes, kind: str) -> Response:
    return Response(payload, media_type=kind, headers=_FRESH)


def _query(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.query_params.items() if value}


def _answering(handler: Handler) -> Handler:
    """The handler, with errors of p4d as pages: 404 for what is missing, 400 for a bad query."""

    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except MissingError as error:
            ids = (request.path_params.get(f"{name}_id", "") for name in ("clip", "qa", "video"))
            return _message(404, "Not here", str(error), next(filter(None, ids), ""))
        except QueryError as error:
            return _message(400, "This query cannot be read", str(error))
        except P4DError as error:
            return _message(500, type(error).__name__, str(error))

    return answer


def _message(status: int, title: str, text: str, identifier: str = "") -> Response:
    """An error as a page; with an id, it links to what is recorded of it."""
    page = render(
        "explore/templates/message.html.j2",
        path="",
        title=title,
        text=text,
        identifier=identifier,
        project="",
    )
    return HTMLResponse(page, status)


async def _not_found(request: Request, error: Exception) -> Response:
    del error
    return _message(404, "Not here", f"There is no page {request.url.path[:200]}")


async def _failed(request: Request, error: Exception) -> Response:
    text = f"{type(error).__name__} on {request.url.path[:200]}; the terminal shows where"
    return _message(500, "The explorer failed", text)


class _SecurityHeaders:
    """ASGI middleware: adds the headers above to every answer."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - an ASGI application
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        """Pass a request on."""

        async def with_headers(message: Any) -> None:  # noqa: ANN401
            if message["type"] == "http.response.start":
                added = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self._app(scope, receive, with_headers)
