"""Terms of datasets of masks, and of pictures of one's own in the same layout."""

from __future__ import annotations

from p4d.datasets.capture import Terms
from p4d.datasets.reader import DatasetReader, Option, Options, option

LICENCE_OPTION = Option(
    "licence", "", "of your own pictures in this layout; they may then be given to others"
)

DAVIS = Terms(
    terms_id="DAVIS",
    text="DAVIS: for non-commercial research; its owners allow no copies without permission.",
    url="https://davischallenge.org",
    redistributable=False,
)
YOUTUBE_VOS = Terms(
    terms_id="YouTube-VOS",
    text="YouTube-VOS and YouTube-VIS: annotations CC BY 4.0; the videos are YouTube's uploaders' "
    "and for non-commercial research only.",
    url="https://youtube-vos.org",
    redistributable=False,
)
SA_V = Terms(
    terms_id="CC-BY-4.0",
    text="SA-V: videos and masklets CC BY 4.0 (Meta).",
    url="https://ai.meta.com/datasets/segment-anything-video/",
    redistributable=True,
)
VIDEOREFER = Terms(
    terms_id="VideoRefer",
    text="VideoRefer: annotations Apache-2.0; the videos belong to the datasets that they come "
    "from, and to their uploaders.",
    url="https://github.com/alibaba-damo-academy/PixelRefer",
    redistributable=False,
)


def terms_of(reader: DatasetReader, options: Options, published: Terms) -> Terms:
    """The dataset's terms, or the licence that a user states for pictures of their own."""
    licence = option(reader, options, LICENCE_OPTION.name)
    if not licence:
        return published
    return Terms(terms_id=licence[:80], text=f"Stated by the user: {licence[:200]}", url="",
                 redistributable=True)  # fmt: skip
