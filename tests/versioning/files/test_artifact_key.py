"""Names of artifacts are read and written in one way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p4d.errors import ContractError
from p4d.versioning.files.artifact_key import (
    ArtifactKey,
    ArtifactVersion,
    bare_md5,
    data_version,
)

STAGES = st.text(min_size=1).filter(lambda text: "@" not in text)
SHARDS = st.none() | st.text(min_size=1)


@given(stage=STAGES, shard=SHARDS)
def test_a_key_is_read_back_from_its_text(stage, shard):
    key = ArtifactKey(stage, shard)
    assert ArtifactKey.parse(str(key)) == key


@given(st.text())
def test_a_text_is_refused_or_is_the_text_of_its_key(text):
    try:
        key = ArtifactKey.parse(text)
    except ContractError:
        assert not text or text.startswith("@") or text.partition("@")[1:] == ("@", "")
    else:
        assert str(key) == text


@pytest.mark.parametrize("text", ["", "@", "labels@", "@0001"])
def test_what_names_no_artifact_is_refused_with_the_form(text):
    with pytest.raises(ContractError, match="write STAGE or STAGE@SHARD"):
        ArtifactKey.parse(text)


@given(st.from_regex(r"[0-9a-f]{32}(\.dir)?", fullmatch=True))
def test_the_prefix_of_a_hash_goes_and_comes(md5):
    assert bare_md5(data_version(md5)) == bare_md5(md5) == md5


def test_a_record_names_its_version_and_the_versions_it_read():
    record = {
        "stage": "labels", "shard": "0001", "md5": "a" * 32,
        "upstream": {"clips@0001": "md5:" + "b" * 32, "expert": "md5:" + "c" * 32},
    }  # fmt: skip
    version = ArtifactVersion.of_record(record)
    assert str(version) == f"labels@0001 {'a' * 12}"
    assert version.data_version == "md5:" + "a" * 32
    assert ArtifactVersion.read_by(record) == [
        ArtifactVersion(ArtifactKey("clips", "0001"), "b" * 32),
        ArtifactVersion(ArtifactKey("expert"), "c" * 32),
    ]
