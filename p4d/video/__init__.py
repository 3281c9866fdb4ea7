"""Videos: landing into shards, exact decoding, ingest, clips on a time grid."""
