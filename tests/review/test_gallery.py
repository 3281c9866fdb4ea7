import base64
import io
import json
import re
import shutil

import polars as pl
import pytest
from PIL import Image

from p4d.errors import ContractError
from p4d.review.gallery import write_gallery
from p4d.review.items import sample_questions
from tests.pages.planted import PLANTED, assert_inert


@pytest.fixture(scope="module")
def page(demo_release, tmp_path_factory):
    path = tmp_path_factory.mktemp("gallery") / "page.html"
    return write_gallery(demo_release, path, sample=12), path.read_text()


def test_the_page_holds_everything_it_shows(page):
    done, text = page
    assert done.questions == text.count("<article") == 12
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "http" not in text


def test_clips_move_and_marks_are_there(page):
    _, text = page
    kinds = re.findall(r'src="data:image/(\w+);base64,([^"]+)"', text)
    assert len(kinds) == 3 * 12
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for _, data in kinds]
    assert [picture.size for picture in pictures[:3]] == [(64, 64), (384, 384), (512, 64)]
    assert all(picture.n_frames == 8 for picture in pictures[::3])


def test_answer_facts_and_ids_stand_behind_a_click(page, demo_release):
    _, text = page
    questions = pl.read_parquet(demo_release / "questions.parquet")
    for article in re.findall(r"<article.*?</article>", text, re.S):
        qa_id = re.search(r'id="(qa_\w+)"', article)[1]
        row = questions.row(by_predicate=pl.col("qa_id") == qa_id, named=True)
        shown, _, derivation = article.partition("<details>")
        assert "p4d why" not in shown
        assert f"p4d why {qa_id}" in derivation
        assert f"{row['answer']}. " in derivation
        assert all(fact_id in derivation for fact_id in row["fact_ids"])
        assert article.count('<button class="right"') == 0
        assert article.count('class="right"') == 1
        marks = set(re.findall(r"<obj_(\d)>", row["question"]))
        assert all(f"object {mark}</span>" in shown for mark in marks)


def test_a_sample_takes_families_in_turn_and_grows_without_changing(demo_release):
    questions = pl.read_parquet(demo_release / "questions.parquet")
    families = questions["family"].n_unique()
    small = sample_questions(questions, families)
    assert small["family"].n_unique() == families
    larger = sample_questions(questions, families + 7)
    assert set(small["qa_id"]) < set(larger["qa_id"])
    assert sample_questions(questions, None).height == questions.height


def test_categories_are_checked(demo_release, tmp_path):
    questions = pl.read_parquet(demo_release / "questions.parquet")
    only = sample_questions(questions, None, ["Counting"])
    assert set(only["category"]) == {"Counting"}
    with pytest.raises(ContractError, match=r"no category .Cooking.; there are: .*3D Video"):
        write_gallery(demo_release, tmp_path / "p.html", categories=["Cooking"])


def test_texts_of_questions_and_of_the_release_cannot_run(demo_release, tmp_path):
    base = tmp_path / "data"
    shutil.copytree(demo_release.parent, base)
    release = base / "release"
    manifest = json.loads((release / "manifest.json").read_text())
    (release / "manifest.json").write_text(json.dumps(manifest | {"release_id": PLANTED}))
    planted = pl.lit(PLANTED)
    table = pl.read_parquet(release / "questions.parquet").with_columns(
        question=planted, family=planted, review=planted, options=pl.concat_list([planted] * 4)
    )
    table.write_parquet(release / "questions.parquet")
    done = write_gallery(release, tmp_path / "page.html", sample=3)
    assert_inert(done.path.read_text(), scripts=1, times=3 * (1 + 1 + 1 + 4))


def test_equal_releases_give_equal_pages(page, demo_release, tmp_path):
    again = write_gallery(demo_release, tmp_path / "page.html", sample=12)
    assert again.path.read_text() == page[1]
