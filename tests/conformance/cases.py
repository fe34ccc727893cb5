"""The cases of websocket.json and compression.json, ready to be played.

websocket.json: one case a line. `send` lists frames [NAME, PAYLOAD, OPTIONS] in order, `expect` what must come back,
`end` how the connection must end:
  "clean"        our close 1000 is answered with 1000
  1002           the daemon fails the connection with that code
  {"answer": N}  the frames hold a close already; it is answered with N (null: an empty one)
NAME is text, binary, continuation, close, ping, pong or opcode-N, with a `-` behind where the frame is not the last of
its message. PAYLOAD is text, {"hex": ..}, or {"of": PAYLOAD, "size": N}, repeated up to that size. OPTIONS: `rsv` the
reserved bits, `frames` cuts the message into frames of so many bytes, `upto` sends only so many bytes of the payload.
Among the frames "alive" is a pause in which the daemon must still answer a ping, "ended" a place where the connection must have
failed already. `chop` is how many bytes go into one segment, or "frame"; without it all go at once. `repeat` plays
the exchange many times.

compression.json: every section with every size [BYTES, BYTES OF A FRAME]. `offers` is what a peer of our server
asks for, `answer` what a peer of our client would add to its answer, in order of preference.
"""
import collections
import functools
import itertools
import json
import pathlib
import random

from peers import encode_frame

FOLDER = pathlib.Path(__file__).parent
OPCODES = {"continuation": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
ALIVE, ENDED = "alive", "ended"
SUITE = {  # what the sections of the well-known list are about
    "1": "Framing", "2": "Pings and pongs", "3": "Reserved bits", "4": "Opcodes", "5": "Fragmentation",
    "6": "UTF-8", "7": "Closing", "9": "Limits", "10": "Automatic fragmentation",
    "12": "Compression, default offer", "13": "Compression, parameters",
}

Case = collections.namedtuple("Case", "id about send expect end chop repeat offers answer message")
Message = collections.namedtuple("Message", "content size frame")


def section(case):
    return case.id.split(".")[0]


def payload(spec):
    if isinstance(spec, str):
        return spec.encode()
    if "hex" in spec:
        return bytes.fromhex(spec["hex"])
    unit = payload(spec["of"])
    return (unit * (spec["size"] // len(unit) + 1))[:spec["size"]]


def opcode(name):
    name = name.rstrip("-")
    return int(name[7:]) if name.startswith("opcode-") else OPCODES[name]


def fragments(first, data, size, rsv=0):
    """(opcode, payload, fin, rsv) of a message in frames of `size` bytes, or of one."""
    size = size or max(1, len(data))
    for at in range(0, max(1, len(data)), size):
        yield first if at == 0 else 0, data[at:at + size], at + size >= len(data), rsv if at == 0 else 0


def encode(item, mask):
    """The bytes of one frame of `send`, in pieces, one a frame."""
    name, data, options = item[0], payload(item[1]), item[2] if len(item) > 2 else {}
    if "frames" in options:
        return [encode_frame(op, part, fin, rsv, mask) for op, part, fin, rsv
                in fragments(opcode(name), data, options["frames"])]
    frame = encode_frame(opcode(name), data, not name.endswith("-"), options.get("rsv", 0), mask)
    return [frame[:len(frame) - len(data) + options["upto"]] if "upto" in options else frame]


def segments(pieces, chop):
    if chop == "frame":
        return pieces
    whole = b"".join(pieces)
    return [whole[at:at + chop] for at in range(0, len(whole), chop)] if chop else [whole]


def expected(case):
    """[(opcode, payload)]"""
    return [(opcode(name), payload(data)) for name, data in case.expect]


def load():
    plain = [Case(offers=None, answer=None, message=None,
                  **{"chop": 0, "repeat": False, **entry})
             for entry in json.loads((FOLDER / "websocket.json").read_text())]
    table = json.loads((FOLDER / "compression.json").read_text())
    compressed = [
        Case(f"{part['id']}.{number}", about(part, size, frame), None, None, "clean", 0, True, part["offers"],
             part["answer"][0], Message(part["content"], size, frame))
        for part in table["sections"] for number, (size, frame) in enumerate(table["sizes"], 1)]
    return plain + compressed


def about(part, size, frame):
    return f"{part['about']}, messages of {size} bytes" + (f" in frames of {frame}" if frame else "")


# ---- contents to compress


@functools.lru_cache(None)
def content(kind):
    """(bytes, is_binary); the same ones each time."""
    source = random.Random(kind)
    return CONTENTS[kind](source), kind in ("prose", "bitmap", "noise")


def words(source, count):
    letters = "etaoinshrdlucmfwypvbgkjqxz\u00e4\u00f6\u00fc\u00df"
    stock = ["".join(source.choices(letters, range(30, 0, -1), k=source.randint(1, 11))) for _ in range(2000)]
    return source.choices(stock, [1 / rank for rank in range(1, 2001)], k=count)


def prose(source):
    return " ".join(words(source, 40000)).encode()


def bitmap(source):
    shade, rows = 128, bytearray()
    for _ in range(512 * 512):
        shade = min(255, max(0, shade + source.choice((-2, -1, 0, 0, 0, 1, 2))))
        rows.append(shade)
    return bytes(rows)


def noise(source):
    return source.randbytes(200000)


def json_text(source):
    names = itertools.cycle(words(source, 500))
    rows = [{"id": number, "name": next(names), "at": source.random(), "tags": [next(names), next(names)]}
            for number in range(3000)]
    return json.dumps(rows).encode()  # ASCII: it may be cut anywhere


def html(source):
    rows = (f"<tr><td class=\"n\">{number}</td><td>{source.randint(0, 10 ** 9):x}</td></tr>\n" for number in range(8000))
    return ("<!doctype html>\n<table>\n" + "".join(rows) + "</table>\n").encode()


CONTENTS = {"prose": prose, "bitmap": bitmap, "noise": noise, "json": json_text, "html": html}
