"""Damages a file by one bit."""


def flip(path, position=0):
    payload = bytearray(path.read_bytes())
    payload[position] ^= 1
    path.chmod(0o644)
    path.write_bytes(payload)
