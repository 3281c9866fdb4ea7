"""The explorer as a reviewer uses it: the real command, a real server, a real Chromium."""

import http.client
import io
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from benchmarks.ports import free_port
from p4d.explore.media import Media
from p4d.review.verdicts import read_verdicts
from tests import browser as chromium
from tests.browser import Browser
from tests.explore.conftest import PLANTED

needs_browser = pytest.mark.skipif(
    chromium.PROGRAM is None, reason="no chromium or google-chrome on the path"
)


class Served:
    """`p4d explore` of a project, as a process."""

    def __init__(self, project, log):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = log
        with log.open("w") as out:
            self.process = run_command(project, "--port", str(self.port), out=out)
        end = time.monotonic() + 120
        while not self.answers():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)

    def answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self, by=signal.SIGINT):
        self.process.send_signal(by)
        return self.process.wait(timeout=60)


def run_command(project, *arguments, out=subprocess.PIPE):
    return subprocess.Popen(
        [sys.executable, "-m", "p4d", "explore", "--reviewer", "ana", *arguments],
        env={**chromium.os.environ, "P4D_ROOT": str(project.root)}, stdout=out, stderr=out,
        text=True,
        # As for a background command of a script, whose shell ignores SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@pytest.fixture(scope="module")
def served(made, tmp_path_factory):
    home = tmp_path_factory.mktemp("served")
    started = Served(made.copy_to(home / "project"), home / "log.txt")
    started.made = type(made)(home / "project")
    yield started
    if started.process.poll() is None:
        started.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("browser") / "profile")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _quiet(request):
    """No page reports an error, and none asks for anything from elsewhere."""
    if "browser" not in request.fixturenames:
        yield
        return
    page, server = (request.getfixturevalue(name) for name in ("browser", "served"))
    page.messages.clear()
    page.requests.clear()
    yield
    assert page.messages == []
    own = (server.address, "data:", "about:")
    assert [each for each in page.requests if not each.startswith(own)] == []


def test_a_port_in_use_ends_the_command_with_the_way_out(made):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        command = run_command(made, "--port", str(other.getsockname()[1]))
        said, errors = command.communicate(timeout=120)
    assert command.returncode == 1
    assert re.search(r"PortError: port \d+ of 127.0.0.1: .*in use; .*--port", errors)
    assert "Traceback" not in said + errors


def test_a_project_without_artifacts_ends_the_command_with_the_way_out(own):
    (own.root / "shards" / "index.yaml").write_text("shards: []\n")
    command = run_command(own)
    said, errors = command.communicate(timeout=120)
    assert command.returncode == 1
    assert "no artifacts" in errors
    assert "make demo" in errors
    assert "Traceback" not in said + errors


READY = """[...document.querySelectorAll('.player canvas[data-strip]')]
    .every((each) => each.dataset.loaded === 'yes')"""


def open_clip(browser, served, **wanted):
    clip = served.made.clip(**wanted)
    browser.open(f"{served.address}/clips/{clip['clip_id']}")
    browser.until(READY)
    return clip


def drawn(browser, selector):
    """The pixels of a canvas, [H, W, 4]."""
    found = browser.run(
        f"""(() => {{ const c = document.querySelector({selector!r});
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);
        return [c.width, c.height, [...d.data]] }})()"""
    )
    return np.array(found[2], np.uint8).reshape(found[1], found[0], 4)


@needs_browser
def test_video_marks_maps_and_charts_show_the_same_instant(browser, served):
    clip = open_clip(browser, served, name="world_0.mp4")
    browser.until("document.querySelector('video').readyState >= 2")
    shard, clip_id = clip["shard"], clip["clip_id"]
    media = Media(served.made.project)
    depth = np.split(
        np.asarray(Image.open(io.BytesIO(media.map_strip(shard, clip_id, "exact", "depth")))), 8, 1
    )
    marks = np.split(
        np.asarray(Image.open(io.BytesIO(media.marks_strip(shard, clip_id)))), 8, axis=1
    )
    sample_s = [(pts - clip["start_ns"]) / 1e9 for pts in clip["frame_pts_ns"]]
    for number in (0, 3, 7):
        browser.run(f"document.querySelectorAll('.ticks button')[{number}].click()")
        browser.until("!document.querySelector('video').seeking")
        shown = drawn(browser, "canvas[data-strip*='exact/depth']")[..., :3]
        assert np.array_equal(shown, depth[number])
        assert np.array_equal(drawn(browser, "canvas.marks")[..., 3], marks[number][..., 3])
        at = browser.run("document.querySelector('video').currentTime")
        assert at == pytest.approx(clip["start_ns"] / 1e9 + sample_s[number], abs=0.02)
        shown = browser.run("document.querySelector('.time').textContent")
        assert float(shown) == pytest.approx(max(0, sample_s[number]), abs=0.006)
        now, left, right = browser.run(
            """(() => { const s = document.querySelector('svg.facts');
            return [s.querySelector('.now').getAttribute('x1'), s.dataset.left, s.dataset.right]
            .map(Number) })()"""
        )
        assert now == pytest.approx(left + (right - left) * max(0, sample_s[number]) / 2, abs=0.3)


@needs_browser
def test_the_clip_plays_by_keyboard_within_its_own_span(browser, served):
    clips = served.made.table("clips", "clips.parquet").filter(outcome="ok")
    second = clips.filter(start_ns=2_000_000_000).sort("clip_id")
    clip_id = second.filter(video_id=served.made.clip(name="world_0.mp4")["video_id"])["clip_id"][0]
    browser.open(f"{served.address}/clips/{clip_id}")
    browser.until(READY)
    browser.until("document.querySelector('video').readyState >= 2")
    browser.press("ArrowRight", "ArrowRight")
    assert browser.run("document.querySelector('.frame').textContent") == "2"
    browser.press("ArrowLeft", "ArrowLeft")
    browser.press("ArrowLeft", "ArrowLeft")
    assert browser.run("document.querySelector('.frame').textContent") == "8"
    browser.press(" ", "Space")
    browser.run(
        """(() => { window.seen = []; const look = () => {
        const frame = Number(document.querySelector('.player').dataset.frame);
        window.seen.push([frame, document.querySelector('video').currentTime]);
        requestAnimationFrame(look) }; look() })()"""
    )
    # It repeats, so a slow machine sees every frame sooner or later.
    browser.until("new Set(window.seen.map(([frame]) => frame)).size === 8")
    browser.press(" ", "Space")
    times = [time for _, time in browser.run("window.seen")]
    assert min(times) >= 1.9
    assert max(times) < 4.2
    assert browser.run("document.querySelector('video').paused")


@needs_browser
def test_the_value_below_the_pointer_has_its_unit(browser, served):
    clip = open_clip(browser, served, name="world_0.mp4")
    browser.run("document.querySelectorAll('.ticks button')[2].click()")
    box = browser.run(
        """(() => { const r = document.querySelector("canvas[data-strip*='exact/depth']")
        .getBoundingClientRect(); return [r.x, r.y, r.width, r.height] })()"""
    )
    browser.move(box[0] + box[2] * 16.5 / 32, box[1] + box[3] * 28.5 / 32)
    output = "document.querySelector(\"canvas[data-strip*='exact/depth'] ~ output\").textContent"
    browser.until(f"{output} !== ''")
    values = np.frombuffer(
        Media(served.made.project).values(clip["shard"], clip["clip_id"], "exact", "depth"), "<f4"
    ).reshape(8, 32, 32)
    assert browser.run(output) == f"(16, 28): {values[2, 28, 16]:.2f} m"


@needs_browser
def test_the_time_of_a_question_is_shown_or_played_once(browser, served):
    open_clip(browser, served, name="world_0.mp4")
    browser.until("document.querySelector('video').readyState >= 2")
    spans = browser.run(
        "[...document.querySelectorAll('button.span')].map((b) => [b.dataset.from, b.dataset.to])"
    )
    instant = next(n for n, (begin, end) in enumerate(spans) if begin == end and begin != "0.0")
    span = next(n for n, (begin, end) in enumerate(spans) if begin != end)
    time = "Number(document.querySelector('.time').textContent)"
    for number in (instant, span):
        end = float(spans[number][1])
        browser.run(f"document.querySelectorAll('button.span')[{number}].click()")
        browser.until(f"Math.abs({time} - {end}) < 0.01")
        browser.until("document.querySelector('video').paused")
        assert browser.run("document.querySelector('.play').textContent") == "Play"


@needs_browser
def test_a_video_that_no_browser_plays_is_shown_as_its_frames(browser, served):
    clip = open_clip(browser, served, name="lossless.mkv")
    browser.until("document.querySelector('video') === null")
    for number in (0, 6):
        browser.run(f"document.querySelectorAll('.ticks button')[{number}].click()")
        browser.until("document.querySelector('canvas.picture').width === 96")
        path = served.made.data / "videos" / clip["shard"] / clip["file"]
        jpeg = Media(served.made.project).source_frame(path, clip["frame_index"][number])
        expected = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)

        def differs(expected=expected):
            return np.abs(drawn(browser, "canvas.picture")[..., :3] - expected).mean()

        browser.until(lambda: differs() < 2)
    browser.press(" ", "Space")
    browser.until("Number(document.querySelector('.player').dataset.frame) < 6")
    assert "cannot play it" in browser.run("document.querySelector('.how').textContent")
    # The one error that is due: the browser says that it has no decoder.
    browser.messages[:] = [m for m in browser.messages if "/media/videos/" not in m]


@needs_browser
def test_a_reviewer_fixes_a_question_in_place(browser, served):
    row = served.made.table("release", "questions.parquet").sort("qa_id").to_dicts()[0]
    browser.open(f"{served.address}/questions/{row['qa_id']}")
    assert browser.run("location.hash") == f"#{row['qa_id']}"
    form = f"document.querySelector('[data-qa={row['qa_id']}] form')"
    assert browser.run(f"{form}.annotator.value") == "ana"
    assert browser.run(f"{form}.querySelector('.because').hidden")
    browser.run(f"{form}.querySelector('[value=fix]').click()")
    assert not browser.run(f"{form}.querySelector('.because').hidden")
    browser.run(f"{form}.querySelector('button').click()")  # without its reason
    assert read_verdicts(served.made.root / "reviews") == []
    other = "ABCDE"[(row["answer_index"] + 1) % len(row["options"])]
    browser.run(f"{form}.answer.value = {other!r}")
    browser.run(f"{form}.reason.value = 'it turns the other way'")
    browser.run(f"{form}.annotator.value = 'ben'")
    browser.run(f"{form}.querySelector('button').click()")
    browser.until(f"{form}.querySelector('output').textContent.startsWith('saved: fix')")
    (stored,) = read_verdicts(served.made.root / "reviews")
    assert (stored.qa_id, stored.decision, stored.answer) == (row["qa_id"], "fix", other)
    assert (stored.annotator, stored.reason) == ("ben", "it turns the other way")
    assert stored.question is None
    # The next page knows the verdict and the reviewer.
    browser.open(f"{served.address}/questions?verdict=fix")
    assert browser.run("document.querySelectorAll('article').length") == 1
    browser.open(f"{served.address}/questions/{row['qa_id']}")
    assert browser.run(f"{form}.annotator.value") == "ben"
    assert "it turns the other way" in browser.run("document.body.textContent")


@needs_browser
def test_filters_work_by_their_form_and_names_from_outside_stay_text(browser, served):
    browser.open(f"{served.address}/questions")
    browser.run("document.querySelector('[name=arm_p4d]').value = 'right'")
    browser.run("document.querySelector('[name=arm_sft]').value = 'wrong'")
    browser.run("document.querySelector('form.filters button').click()")
    browser.until("location.search.includes('arm_sft=wrong')")
    browser.until("document.readyState === 'complete'")
    assert browser.run("document.querySelectorAll('article').length") == 8
    browser.run("window.planted = () => { window.hit = true }")
    browser.open(f"{served.address}/videos")
    assert PLANTED in browser.run("document.querySelector('main').textContent")
    assert browser.run("window.hit") is None


def test_ctrl_c_ends_the_command(served):
    assert served.stop() in (0, 130, -signal.SIGINT)
    assert not served.answers()
    assert "Traceback" not in served.log.read_text()
