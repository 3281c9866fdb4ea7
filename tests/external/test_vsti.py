from tests.external import sets


def prepared(folder, rows, *, metadata=True, stated=None):
    sets.video(folder / "scannet" / "videos" / "train" / "scene0191_00.mp4", 9)
    sets.write(folder / "qa.json", rows)
    if metadata:
        sets.write(folder / "scannet_frame_metadata_train.json", sets.frame_metadata())
    if stated:
        sets.write(folder / "source.json", {"camera_centre": stated})


def test_the_two_readings_of_the_poses_differ():
    for first, second in ((3, 12), (5, 20), (10, 31), (1, 25)):
        assert sets.displacement(first, second) != sets.displacement(first, second, wrong=True)


def test_corrected_files_are_kept_whole(build, drop):
    prepared(drop / "vsti", sets.vsti_rows(wrong=False))
    built = build()
    assert built.rejected == {}
    assert len(built.rows) == 7
    assert built.sets["vsti"]["camera_centre"] == {
        "stated": False,
        "right": 4,
        "wrong": 0,
        "neither": 0,
        "undecided": 0,
        "verdict": "corrected",
        "rows": 5,
    }


def test_answers_of_the_erroneous_centre_are_rejected_with_both_values(build, drop):
    prepared(drop / "vsti", sets.vsti_rows(wrong=True))
    built = build()
    assert set(built.rows) == {"vsti_9", "vsti_10"}, "directions and relations are not affected"
    reason = built.rejected["vsti", "qa.json", 1]
    right, wrong = sets.displacement(3, 12), sets.displacement(3, 12, wrong=True)
    assert reason == (
        f"the answer {wrong} is not the displacement of the camera, {right} m by the poses; "
        f"it follows the wrong centre -R^T t ({wrong} m)"
    )
    assert "4 displacements of this set follow the wrong" in built.rejected["vsti", "qa.json", 5]
    assert built.sets["vsti"]["camera_centre"]["verdict"] == "erroneous"


def test_an_answer_that_follows_neither_centre_is_rejected_alone(build, drop):
    rows = sets.vsti_rows(wrong=False)
    rows[1]["conversations"][1]["value"] = "9.9"
    prepared(drop / "vsti", rows)
    built = build()
    assert list(built.rejected) == [("vsti", "qa.json", 2)]
    assert "wrong centre" not in built.rejected["vsti", "qa.json", 2]


def test_without_poses_affected_rows_need_a_statement(build, drop):
    prepared(drop / "vsti", sets.vsti_rows(wrong=False), metadata=False)
    built = build()
    assert set(built.rows) == {"vsti_9", "vsti_10"}
    assert "before 13 July 2026" in built.rejected["vsti", "qa.json", 1]
    prepared(drop / "vsti", sets.vsti_rows(wrong=False), metadata=False, stated="corrected")
    built = build()
    assert len(built.rows) == 7
    assert built.sets["vsti"]["camera_centre"]["stated"]


def test_poses_outweigh_a_statement(build, drop):
    prepared(drop / "vsti", sets.vsti_rows(wrong=True), stated="corrected")
    assert set(build().rows) == {"vsti_9", "vsti_10"}
