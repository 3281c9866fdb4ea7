import hashlib
import json

import polars as pl
import pytest

from p4d.artifacts import read_table
from p4d.errors import ContractError
from p4d.external.conversation import IMAGE, VIDEO
from p4d.students.model import chat
from tests.external import sets


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_empty_folder_gives_an_empty_artifact(build, drop):
    (drop / "README.md").write_text("text")
    built = build()
    assert (built.rows, built.rejected, built.media, built.sets) == ({}, {}, {}, {})


def test_llava_rows_are_read_with_their_media_in_the_order_of_the_markers(build, drop):
    sets.llava(drop / "own")
    (drop / "own" / "source.json").write_text('{"licence": "CC-BY-4.0", "source": "a paper"}')
    built = build()
    assert built.rejected == {}
    rows = built.rows
    assert set(rows) == {"two_videos", "picture", "text", "image_is_video"}
    shas = {
        path: hashlib.sha256((drop / "own" / path).read_bytes()).hexdigest()
        for path in ("clips/a.mp4", "clips/b.mp4", "still.png")
    }

    def shown(name):
        return [
            (marker, built.media[media_id]["sha256"])
            for marker, media_id in zip(rows[name]["markers"], rows[name]["media_ids"], strict=True)
        ]

    assert shown("two_videos") == [(VIDEO, shas["clips/a.mp4"]), (VIDEO, shas["clips/b.mp4"])]
    assert shown("picture") == [(IMAGE, shas["still.png"])]
    assert shown("text") == []
    # LLaVA-Video writes <image> for a video.
    assert shown("image_is_video") == [(VIDEO, shas["clips/a.mp4"])]
    assert rows["image_is_video"]["questions"][0] == "<video>\nWhere is it?"
    assert rows["picture"]["questions"][0] == "<image>\nWhich colour?"
    assert rows["two_videos"]["questions"] == ["<video>\nWhat moves?", "And here? <video>"]
    assert rows["two_videos"]["answers"] == ["a red box", "a ball"]
    assert {row["licence"] for row in rows.values()} == {"CC-BY-4.0"}
    of_a = next(m for m in built.media.values() if m["sha256"] == shas["clips/a.mp4"])
    assert (of_a["width_px"], of_a["height_px"], of_a["frames"]) == (64, 48, 20)
    assert of_a["duration_s"] == pytest.approx(19 / 8)
    for medium in built.media.values():
        held = (built.folder / medium["file"]).read_bytes()
        assert hashlib.sha256(held).hexdigest() == medium["sha256"]
    assert built.sets["own"]["rows"] == 4
    assert built.sets["own"]["read"] == 4


def test_messages_sharegpt_and_renamed_columns_are_one_form(build, drop):
    folder = drop / "mixed"
    sets.video(folder / "v.mp4", 9)
    (folder / "p.png").write_bytes(sets.picture(1))
    sets.write(
        folder / "messages.jsonl",
        [
            {
                "id": "tags",
                "messages": [
                    {"role": "system", "content": "Answer briefly."},
                    {"role": "user", "content": "<video>What?"},
                    {"role": "assistant", "content": "this"},
                ],
                "videos": ["v.mp4"],
            },
            {
                "id": "parts",
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image", "image": "p.png"},
                            {"type": "text", "text": "Which?"},
                        ],
                    },
                    {"role": "assistant", "content": [{"type": "text", "text": "that"}]},
                ],
            },
        ],
    )
    sets.write(
        folder / "renamed.json",
        [
            {
                "id": "renamed",
                "talk": [{"who": "asker", "says": "<video>Q"}, {"who": "teller", "says": "A"}],
                "clips": ["v.mp4"],
            }
        ],
    )
    info = {
        "renamed": {
            "file_name": "renamed.json",
            "formatting": "sharegpt",
            "columns": {"messages": "talk", "videos": "clips"},
            "tags": {
                "role_tag": "who",
                "content_tag": "says",
                "user_tag": "asker",
                "assistant_tag": "teller",
            },
        }
    }
    (folder / "dataset_info.json").write_text(json.dumps(info))
    built = build()
    assert built.rejected == {}
    turns = {name: (*row["questions"], *row["answers"]) for name, row in built.rows.items()}
    assert turns["tags"] == ("Answer briefly.\n<video>What?", "this")
    assert turns["parts"] == ("<image>Which?", "that")
    assert turns["renamed"] == ("<video>Q", "A")
    assert built.rows["parts"]["markers"] == [IMAGE]


BAD_ROWS = {
    "has no turns": {},
    "do not alternate: user": {"conversations": sets.talk("<video>Q")},
    "do not alternate: assistant, user": {
        "conversations": [{"from": "gpt", "value": "A"}, {"from": "human", "value": "Q"}]
    },
    "turn 1 is of 'observation'": {"conversations": [{"from": "observation", "value": "x"}]},
    "2 times <video> for 1 files": {
        "video": "v.mp4",
        "conversations": sets.talk("<video><video>Q", "A"),
    },
    "1 times <image> for 0 files": {"conversations": sets.talk("<image>Q", "A")},
    "answer 1 holds <video>": {"video": "v.mp4", "conversations": sets.talk("Q", "<video>A")},
    "answer 1 is empty": {"video": "v.mp4", "conversations": sets.talk("Q", "  ")},
    "question 1 has no text": {"video": "v.mp4", "conversations": sets.talk("<video>", "A")},
    "a token of chat templates": {"conversations": sets.talk("Q<|im_end|>", "A")},
    "holds <|image_pad|>": {"conversations": sets.talk("Q<|image_pad|>", "A")},
    "names a region (<obj_1>)": {"conversations": sets.talk("Where is <obj_1>?", "A")},
    "is no relative path": {"video": "../secret.mp4", "conversations": sets.talk("Q", "A")},
    "absolute paths": {"video": "/etc/passwd", "conversations": sets.talk("Q", "A")},
    "leads out of": {"video": "link.mp4", "conversations": sets.talk("Q", "A")},
    "is not in external/bad": {"video": "gone.mp4", "conversations": sets.talk("Q", "A")},
    "is an address": {"video": "https://x.example/a.mp4", "conversations": sets.talk("Q", "A")},
    "broken.mp4: ": {"video": "broken.mp4", "conversations": sets.talk("Q", "A")},
    "short.mp4: ": {"video": "short.mp4", "conversations": sets.talk("Q", "A")},
    "not a readable picture": {"image": "v.mp4", "conversations": sets.talk("Q", "A")},
    "is 7 and no path": {"video": [7], "conversations": sets.talk("Q", "A")},
    "more than external.max_text_chars": {"conversations": sets.talk("Q" * 20001, "A")},
}


def test_every_bad_row_is_rejected_for_its_own_reason_and_stops_no_neighbour(build, drop):
    folder = drop / "bad"
    sets.video(folder / "v.mp4", 9)
    (drop.parent / "secret.mp4").write_bytes((folder / "v.mp4").read_bytes())
    (folder / "link.mp4").symlink_to(drop.parent / "secret.mp4")
    (folder / "broken.mp4").write_bytes(b"no video")
    whole = (folder / "v.mp4").read_bytes()
    (folder / "short.mp4").write_bytes(whole[: len(whole) // 2])
    good = {"id": "good", "video": "v.mp4", "conversations": sets.talk("Q", "A")}
    rows = [{"id": str(n), **row} for n, row in enumerate(BAD_ROWS.values())]
    sets.write(folder / "a.json", [*rows, "no object", good, {**good, "id": "again"}])
    built = build()
    assert list(built.rows) == ["good"]
    reasons = [built.rejected["bad", "a.json", n + 1] for n in range(len(BAD_ROWS))]
    for wanted, reason in zip(BAD_ROWS, reasons, strict=True):
        assert wanted in reason
    assert "expected an object" in built.rejected["bad", "a.json", len(rows) + 1]
    assert (
        built.rejected["bad", "a.json", len(rows) + 3] == f"repeats row {len(rows) + 2} of a.json"
    )
    assert len(built.rejected) == len(BAD_ROWS) + 2
    assert [path.name for path in (built.folder / "media").rglob("*.mp4")] == [
        hashlib.sha256(whole).hexdigest() + ".mp4"
    ]


def test_one_bad_file_never_stops_its_neighbours(build, drop):
    folder = drop / "files"
    folder.mkdir()
    (folder / "a_no.json").write_text('{"conversations": [')
    (folder / "b_object.json").write_text('{"data": []}')
    (folder / "c_deep.json").write_text("[" * 100 + "]" * 100)
    (folder / "d.parquet").write_bytes(b"PAR1 and no more")
    good = {"id": "good", "conversations": sets.talk("Q", "A")}
    surrogate = '{"conversations": [{"from": "human", "value": "\\ud800"}]}'
    (folder / "e.jsonl").write_text(f"{{broken\n\n{json.dumps(good)}\n{surrogate}\n")
    (folder / "source.json").write_text("[]")
    (drop / "no name!").mkdir()
    (drop / ".hidden").mkdir()
    built = build()
    assert list(built.rows) == ["good"]
    assert built.rows["good"]["number"] == 3
    assert {key: reason.split(":")[0][:30] for key, reason in built.rejected.items()} == {
        ("files", "a_no.json", 0): "a_no.json is no JSON",
        ("files", "b_object.json", 0): "b_object.json is no list of ro",
        ("files", "c_deep.json", 0): "c_deep.json is nested deeper t",
        ("files", "d.parquet", 0): "d.parquet cannot be read after",
        ("files", "e.jsonl", 1): "line 1 is no JSON",
        ("files", "e.jsonl", 4): "line 4 holds '\\ud800', which i",
        ("files", "source.json", 0): "source.json is no object",
        ("no name!", "", 0): "the name of a set has letters,",
    }


def test_sat_is_read_with_shuffled_options_and_its_pictures(build, drop):
    sets.sat(drop / "sat" / "train.parquet", rows=8)
    table = pl.read_parquet(drop / "sat" / "train.parquet")
    bad = table.with_columns(correct_answer=pl.lit("up")).head(1)
    bad.write_parquet(drop / "sat" / "wrong.parquet")
    broken = table.head(1).with_columns(image_bytes=pl.Series([[b"\x89PNG no more"]]))
    broken.write_parquet(drop / "sat" / "zbroken.parquet")
    built = build()
    rows = sorted(read_table(built.folder / "rows.parquet").to_dicts(), key=lambda r: r["number"])
    assert [row["form"] for row in rows] == ["sat"] * 8
    assert [len(row["media_ids"]) for row in rows] == [1, 2] * 4
    for row in rows:
        (asked,) = row["questions"]
        assert row["answers"] == ["left"]
        listed = asked.split("Choose between: ")[1].removesuffix(".")
        assert sorted(listed.replace(" or ", ", ").split(", ")) == [
            "it did not move",
            "left",
            "right",
        ]
    firsts = {row["questions"][0].split("Choose between: ")[1].split(",")[0] for row in rows}
    assert len(firsts) > 1, "the correct answer comes first in the file, and not here"
    assert built.rejected["sat", "wrong.parquet", 1] == "0 of 3 answers equal correct_answer"
    assert "not a readable picture" in built.rejected["sat", "zbroken.parquet", 1]
    held = {path.stem for path in (built.folder / "media").rglob("*.*")}
    assert held == {medium["sha256"] for medium in built.media.values()}
    first = built.media[rows[0]["media_ids"][0]]
    assert (built.folder / first["file"]).read_bytes() == sets.picture(10)


def test_equal_folders_give_equal_bytes_wherever_rows_stand(build, drop):
    sets.llava(drop / "own")
    sets.sat(drop / "sat" / "train.parquet")
    first = build()
    assert files_of(build().folder) == files_of(first.folder)
    rows = json.loads((drop / "own" / "train.json").read_text())
    sets.write(drop / "own" / "train.json", rows[::-1])
    assert {row["row_id"] for row in build().rows.values()} == {
        row["row_id"] for row in first.rows.values()
    }


def test_what_is_taken_down_is_out_for_good(build, drop):
    sets.llava(drop / "own")
    rows = build().rows
    (medium,) = rows["picture"]["media_ids"]
    (drop / "takedowns.yaml").write_text(
        "takedowns:\n"
        f"- {{id: {medium}, reason: a person asked}}\n"
        f"- {{id: {rows['text']['row_id']}, reason: wrong}}\n"
    )
    built = build()
    assert set(built.rows) == {"two_videos", "image_is_video"}
    assert built.rejected == {
        ("own", "train.json", 2): "taken down: a person asked",
        ("own", "train.json", 3): "taken down: wrong",
    }
    assert medium not in built.media
    assert not any(path.suffix == ".png" for path in built.folder.rglob("*"))
    (drop / "takedowns.yaml").write_text("takedowns: [7]")
    with pytest.raises(ContractError, match="damaged"):
        build()


def test_the_tokens_of_our_own_chat_are_refused_in_foreign_text():
    for name in (chat.PAD, chat.TURN_START, chat.TURN_END, *chat.REGION_MARKS):
        from p4d.external.conversation import ForeignRow, ForeignTurn, RowFault
        from p4d.external.forms import check_texts

        row = ForeignRow(form="llava", source_id="", turns=(ForeignTurn(name, "A"),), media=())
        with pytest.raises(RowFault):
            check_texts(row, 100)
