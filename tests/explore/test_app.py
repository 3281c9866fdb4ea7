"""Pages and addresses: what they answer, to whom, and what bad input becomes."""

import html
import json
import re
import threading

import polars as pl
import pytest
from starlette.testclient import TestClient

from p4d.artifacts import write_table
from p4d.review.verdicts import read_verdicts
from p4d.video.landing import reject
from tests.explore.conftest import ADDRESS, PLANTED

LISTS = ("/", "/videos", "/clips", "/questions", "/refused", "/lineage")


def of(project):
    return TestClient(project.explorer().app(), base_url=ADDRESS)


def send(client, headers=None, **fields):
    given = {"Origin": ADDRESS, **(headers or {})}
    return client.post("/verdicts", json=fields, headers=given)


def form(link):
    """A link without its ids, numbers and values."""
    return re.sub(r"[0-9a-f]{16}|\d+|=[^&]*", "", link)


def a_question(made, **wanted):
    return made.table("release", "questions.parquet").filter(**wanted).sort("qa_id").to_dicts()[0]


def test_every_page_answers_and_every_link_of_it_leads_to_a_page(made, client):
    waiting, seen = [*LISTS, f"/clips/{made.clip(name='world_0.mp4')['clip_id']}"], set()
    while waiting:
        page = waiting.pop()
        seen.add(page)
        answer = client.get(page)
        assert answer.status_code == 200, page
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        links = map(
            html.unescape,
            re.findall(r'(?:href|src|data-strip|data-values)="(/[^"#]*)', answer.text),
        )
        # One link of each form; lineage needs a ledger, see the test of the whole demo.
        kinds = {form(link): link for link in links if not link.startswith("/lineage?")}
        known = {form(each) for each in seen | set(waiting)}
        waiting += [link for kind, link in kinds.items() if kind not in known]
    assert len(seen) < 100
    assert any(page.startswith("/media/clips/") and page.endswith("/depth.png") for page in seen)
    assert any(page.startswith("/media/videos/") for page in seen)
    assert "/static/player.js" in seen


def test_the_page_of_a_clip_has_all_questions_answers_and_reasons(made, client):
    row = a_question(made, split="test")
    page = client.get(f"/questions/{row['qa_id']}").text
    of_clip = made.table("release", "questions.parquet").filter(clip_id=row["clip_id"])
    for each in of_clip.to_dicts():
        assert page.count(f'id="{each["qa_id"]}"') == 1
    (card,) = re.findall(rf'<article[^>]*id="{row["qa_id"]}".*?</article>', page, re.DOTALL)
    letter = "ABCDE"[row["answer_index"]]
    assert f"p4d {letter} ✓" in card
    assert f"from {len(row['fact_ids'])} fact" in card
    assert f"{row['margin_sigma']:.1f} standard deviations" in card
    for fact in row["fact_ids"]:
        assert fact in card
    refused = made.table("questions", "refusals.parquet").filter(clip_id=row["clip_id"])
    assert f"{refused['count'].sum()} candidates were composed" in page
    assert all(reason in page for reason in refused["reason"].unique())
    assert "6.3" in page or " m</span><img" in page  # the ends of a depth scale, in metres


def test_the_quality_of_each_teacher_is_that_of_its_labels(made, client):
    clip = made.clip(name="world_0.mp4")
    page = client.get(f"/clips/{clip['clip_id']}").text
    stats = made.table("labels", "label_stats.parquet").filter(clip_id=clip["clip_id"])
    for teacher in ("exact", "expert4d"):
        (heading,) = re.findall(rf"<h3>{teacher} .*?</h3>", page)
        of = {row["modality"]: row for row in stats.filter(teacher=teacher).to_dicts()}
        assert f"depth error, relative {of['depth']['depth_absrel']:.2g}" in heading
        assert f"flow error, px {of['flow']['flow_epe_px']:.2g}" in heading
        assert f"motion IoU {of['motion']['motion_iou']:.2g}" in heading


def test_text_from_outside_is_never_markup(client):
    for page in LISTS[:5]:
        assert "<img src=x" not in client.get(page).text
    videos = client.get("/videos").text
    assert PLANTED.replace("<", "&lt;").replace(">", "&gt;") in videos
    for query in ("text", "shard", "family"):
        page = client.get("/questions", params={query: '"><script>planted()</script>'}).text
        assert "<script>planted" not in page
    assert "<script>" not in client.get("/clips/<script>planted()</script>").text
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script" not in policy  # scripts of this server alone, none in a page


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"}, {"Host": "evil.example:3001"}, {"Host": "127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)  # fmt: skip
def test_a_foreign_page_reads_nothing(made, client, headers):
    clip = made.clip(name="world_0.mp4")
    for address in ("/", f"/media/clips/{clip['clip_id']}/marked.png", "/static/player.js"):
        assert client.get(address, headers=headers).status_code == 403
    assert client.get(f"/media/videos/{clip['video_id']}", headers=headers).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:3000", "null"])
def test_a_foreign_page_reviews_nothing(own, origin):
    row = a_question(own)
    answer = send(
        of(own), {"Origin": origin}, qa_id=row["qa_id"], decision="accept", annotator="eve"
    )
    assert answer.status_code == 403
    form = of(own).post("/verdicts", data={"qa_id": row["qa_id"]}, headers={"Origin": ADDRESS})
    assert form.status_code == 415  # what a plain form of any page can send
    assert read_verdicts(own.root / "reviews") == []


def test_verdicts_are_those_of_the_review(own):
    client = of(own)
    accepted, fixed, dropped = (
        own.table("release", "questions.parquet").sort("qa_id").to_dicts()[:3]
    )
    other = "ABCDE"[(fixed["answer_index"] + 1) % len(fixed["options"])]
    answer = send(client, qa_id=accepted["qa_id"], decision="accept", annotator="ana")
    assert answer.status_code == 200
    assert send(client, qa_id=fixed["qa_id"], decision="fix", annotator="ana", reason="it is left",
                answer=other, question=fixed["question"]).status_code == 200  # fmt: skip
    assert send(client, qa_id=dropped["qa_id"], decision="drop", annotator="ben",
                reason="not visible <b>").status_code == 200  # fmt: skip
    found = {verdict.qa_id: verdict for verdict in read_verdicts(own.root / "reviews")}
    assert {q: v.decision for q, v in found.items()} == {
        accepted["qa_id"]: "accept", fixed["qa_id"]: "fix", dropped["qa_id"]: "drop"
    }  # fmt: skip
    assert (found[fixed["qa_id"]].answer, found[fixed["qa_id"]].question) == (other, None)
    page = client.get(f"/questions/{dropped['qa_id']}").text
    assert "not visible &lt;b&gt;" in page
    assert len(list((own.root / "reviews").glob("review_*.jsonl"))) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"qa_id": "qa_0000000000000000"}, "not current"),
        ({"qa_id": "../../etc/passwd"}, "does not have the form"),
        ({"decision": "maybe"}, "maybe"),
        ({"decision": "drop"}, "needs a reason"),
        ({"decision": "fix", "reason": "r"}, "needs a new question text or a new answer"),
        ({"decision": "fix", "reason": "r", "answer": "Z"}, "options are"),
        ({"decision": "accept", "question": "Another?"}, "choose fix"),
        ({"annotator": " "}, "name of its reviewer"),
        ({"reason": "x" * 3000}, "2000 characters"),
        ({"reason": 7}, "reason is no text"),
        ({"batch": "mine"}, "with the fields"),
    ],
)
def test_a_verdict_that_breaks_a_rule_is_refused_with_the_rule(own, change, named):
    row = a_question(own)
    fields = {"qa_id": row["qa_id"], "decision": "accept", "annotator": "ana", **change}
    answer = send(of(own), **fields)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert read_verdicts(own.root / "reviews") == []


@pytest.mark.parametrize(
    "body", [b"", b"[", b"[" * 5000, b"\xff", b'"text"', b"null", b"[1]", b'{"reason": "\\ud800"}']
)
def test_a_request_that_is_no_verdict_is_refused(client, body):
    headers = {"Origin": ADDRESS, "Content-Type": "application/json"}
    assert client.post("/verdicts", content=body, headers=headers).status_code == 400
    long = json.dumps({"reason": "x" * 100_000})
    assert client.post("/verdicts", content=long, headers=headers).status_code == 413


def test_reviewers_at_once_lose_nothing(own):
    client = of(own)
    rows = own.table("release", "questions.parquet").sort("qa_id").to_dicts()[:12]
    states = []

    def review(row, name):
        answer = send(client, qa_id=row["qa_id"], decision="accept", annotator=name)
        states.append(answer.status_code)

    threads = [
        threading.Thread(target=review, args=(row, name)) for row in rows for name in ("ana", "ben")
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert states == [200] * 24
    found = {(v.qa_id, v.annotator) for v in read_verdicts(own.root / "reviews")}
    assert found == {(row["qa_id"], name) for row in rows for name in ("ana", "ben")}


@pytest.mark.parametrize(
    ("address", "status", "named"),
    [
        ("/nothing", 404, "no page"),
        ("/clips/clip_0000000000000000", 404, "no clip"),
        ("/questions/qa_0000000000000000", 404, "no question"),
        ("/clips?page=x", 400, "a page is a number"),
        ("/clips?measure=beauty", 400, "beauty"),
        ("/media/clips/clip_0000000000000000/marked.png", 404, "no clip"),
        ("/media/videos/vid_0000000000000000", 404, "no landed video"),
        ("/media/videos/..%2f..%2fparams.yaml", 404, "no page"),
        ("/media/keys/taste.png", 404, "no key"),
        ("/static/../app.py", 404, ""),
        ("/lineage?id=qa_0000000000000000", 404, "qa_0000000000000000"),
        ("/lineage?id=videos@../..", 404, "no shard"),
        ("/lineage?id=questions@", 404, "no artifact"),
    ],
)
def test_what_is_not_there_is_said(client, address, status, named):
    answer = client.get(address)
    assert answer.status_code == status
    assert named in answer.text
    if address.startswith("/clips/clip_"):  # it may have been removed: the ledger knows
        assert '"/lineage?id=clip_0000000000000000"' in answer.text


def test_a_video_is_served_in_ranges(made, client):
    clip = made.clip(name="world_0.mp4")
    whole = (made.data / "videos" / clip["shard"] / clip["file"]).read_bytes()
    address = f"/media/videos/{clip['video_id']}"
    answer = client.get(address, headers={"Range": "bytes=100-299"})
    assert answer.status_code == 206
    assert answer.content == whole[100:300]
    assert answer.headers["content-range"] == f"bytes 100-299/{len(whole)}"
    assert answer.headers["content-type"] == "video/mp4"
    assert client.get(address, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert client.get(address).content == whole


def test_nothing_of_a_video_that_was_taken_down_is_shown(own):
    clip = own.clip(name="world_1.mp4")
    client = of(own)
    media = f"/media/clips/{clip['clip_id']}"
    assert client.get(f"{media}/marked.png").status_code == 200
    reject(own.project, clip["video_id"], "taken down: asked by its owner")
    page = client.get(f"/clips/{clip['clip_id']}")
    assert page.status_code == 200
    assert "taken down: asked by its owner" in page.text
    assert f"/media/videos/{clip['video_id']}" not in page.text
    assert media not in page.text
    for address in (
        f"{media}/marked.png", f"{media}/frames.png", f"{media}/exact/depth.png",
        f"{media}/source/0.jpg", f"/media/videos/{clip['video_id']}",
    ):  # fmt: skip
        answer = client.get(address)
        assert answer.status_code == 404
        assert "taken down" in answer.text
    assert "taken down" in client.get(f"/videos?shard={clip['shard']}").text


def test_a_clip_without_its_source_file_shows_the_frames_of_students(own):
    clip = own.clip(name="world_0.mp4")
    (own.data / "videos" / clip["shard"] / clip["file"]).unlink()
    page = of(own).get(f"/clips/{clip['clip_id']}").text
    assert "No source video" in page
    assert clip["file"] in page
    assert "<video" not in page
    assert f"/media/clips/{clip['clip_id']}/frames.png" in page
    assert of(own).get(f"/media/videos/{clip['video_id']}").status_code == 404


@pytest.mark.parametrize(
    ("stage", "name", "named"),
    [
        ("clips", "frames.safetensors", "No frames"),
        ("labels", "labels.safetensors", "No maps"),
        ("labels", "index.parquet", "No teacher labelled"),
        ("regions", "regions.parquet", "regions.parquet is unreadable"),
        ("facts", "facts.parquet", "facts.parquet is unreadable"),
        ("questions", "refusals.parquet", "refusals.parquet is unreadable"),
    ],
)
def test_a_damaged_part_of_a_clip_costs_that_part_alone(own, stage, name, named):
    clip = own.clip(name="world_0.mp4")
    path = own.data / stage / clip["shard"] / name
    path.unlink()
    path.write_bytes(b"damaged")
    page = of(own).get(f"/clips/{clip['clip_id']}")
    assert page.status_code == 200
    assert named in page.text
    assert page.text.count("question-card") == len(
        own.table("release", "questions.parquet").filter(clip_id=clip["clip_id"])
    )
    assert "Traceback" not in page.text


def test_a_source_path_that_leads_out_of_the_artifact_is_not_served(own):
    clip = own.clip(name="world_0.mp4")
    path = own.data / "videos" / clip["shard"] / "videos.parquet"
    table = pl.read_parquet(path)
    outside = "../../../params.yaml"
    write_table(
        path,
        table.with_columns(
            file=pl.when(pl.col("video_id") == clip["video_id"])
            .then(pl.lit(outside))
            .otherwise("file")
        ),
        sort_by=["video_id"],
    )
    answer = of(own).get(f"/media/videos/{clip['video_id']}")
    assert answer.status_code >= 400
    assert "margin_sigma" not in answer.text
    assert of(own).get(f"/clips/{clip['clip_id']}").status_code == 200


def test_parameters_that_cannot_be_read_cost_no_page(own):
    (own.root / "params.yaml").write_text("questions: [")
    page = of(own).get(f"/clips/{own.clip(name='world_0.mp4')['clip_id']}")
    assert page.status_code == 200
    assert "params.yaml cannot be read" in page.text
