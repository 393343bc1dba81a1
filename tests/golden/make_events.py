"""Makes events/run.tfevents, the event file that tests/train/event_file.cpp expects, and reads it back.

    python3 tests/golden/make_events.py            writes it (Python's standard library)
    python3 tests/golden/make_events.py FILE       prints the scalars of any event file, after checking its checksums

Where the package `tensorboard` is installed, its own reader must find the same scalars.
"""

import pathlib
import struct
import sys
import tempfile

GOLDEN = pathlib.Path(__file__).parent / "events" / "run.tfevents"
TIME = 1700000000.25
STEPS = [
    (4, [("loss", 2.5), ("gradient_norm", 0.75), ("learning_rate", 0.001), ("tokens_per_second", 512.0),
         ("flop_per_second", 3e9), ("skipped_steps", 0.0)]),
    (300, [("loss", 0.125), ("gradient_norm", 1.5), ("learning_rate", 0.0005), ("balance", 1.25),
           ("tokens_per_second", 1024.0), ("flop_per_second", 6e9), ("skipped_steps", 2.0), ("validation", 0.5)]),
]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value):
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number, kind, data):
    return varint(number << 3 | kind) + data


def message(number, data):
    return field(number, 2, varint(len(data)) + data)


def event(time, *fields):
    return record(field(1, 1, struct.pack("<d", time)) + b"".join(fields))


def step_event(time, step, scalars):
    values = b"".join(message(1, message(1, tag.encode()) + field(2, 5, struct.pack("<f", value)))
                      for tag, value in scalars)
    return event(time, field(2, 0, varint(step)), message(5, values))


def fields_of(data):
    """Pairs (number, value) of a message; nested messages stay bytes."""
    at = 0

    def read_varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = read_varint()
        if key & 7 == 0:
            yield key >> 3, read_varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or read_varint()
        yield key >> 3, data[at:at + size]
        at += size


def scalars_of(path):
    """(step, tag, value) of every scalar in a file."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        length = data[at:at + 8]
        end = at + 12 + struct.unpack("<Q", length)[0]
        assert data[at + 8:at + 12] == masked(length), f"length of the record at {at}"
        assert data[end:end + 4] == masked(data[at + 12:end]), f"data of the record at {at}"
        event_fields = list(fields_of(data[at + 12:end]))
        step = dict(event_fields).get(2, 0)
        for number, summary in event_fields:
            for _, value in fields_of(summary) if number == 5 else ():
                parts = dict(fields_of(value))
                yield step, parts[1].decode(), struct.unpack("<f", parts[2])[0]
        at = end + 4


def expected_scalars():
    return [(step, tag, struct.unpack("<f", struct.pack("<f", value))[0]) for step, scalars in STEPS
            for tag, value in scalars]


def check_with_tensorboard():
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        return "tensorboard is not installed"
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "events.out.tfevents.1700000000.host.1").write_bytes(GOLDEN.read_bytes())
        events = EventAccumulator(folder)
        events.Reload()
        found = sorted((e.step, tag, e.value) for tag in events.Tags()["scalars"] for e in events.Scalars(tag))
    assert found == sorted(expected_scalars()), found
    return "tensorboard reads the same"


def main():
    if len(sys.argv) > 1:
        for step, tag, value in scalars_of(pathlib.Path(sys.argv[1])):
            print(step, tag, value)
        return
    GOLDEN.parent.mkdir(exist_ok=True)
    start = event(TIME, field(2, 0, varint(4)), message(7, field(1, 0, varint(1))))
    GOLDEN.write_bytes(event(TIME, message(3, b"brain.Event:2")) + start
                       + b"".join(step_event(TIME + 1, step, scalars) for step, scalars in STEPS))
    assert list(scalars_of(GOLDEN)) == expected_scalars()
    print(check_with_tensorboard())


if __name__ == "__main__":
    main()
