import json

import pytest

from improv.errors import CorpusError
from improv.train.splits import assign, licence

HELD, KEPT = "00" * 32, "ff" * 32
CSV = "canonical_composer,split,year,midi_filename\nBach,train,2004,2004/a.midi\nBach,test,2004,2004/b.midi\n"
JSON = json.dumps({"split": {"0": "train", "1": "test"}, "midi_filename": {"0": "2004/a.midi", "1": "2004/b.midi"}})
FILES = {"2004/a.midi": HELD, "2004/b.midi": HELD, "2004/c.midi": HELD}


@pytest.mark.parametrize(("name", "text"), [("maestro-v2.0.0.csv", CSV), ("maestro-v3.0.0.json", JSON)])
@pytest.mark.parametrize("top", ["", "maestro/"])
def test_the_metadata_of_maestro_say_where_its_files_belong(top, name, text):
    splits = assign({top + file: digest for file, digest in FILES.items()}, {top + name: text.encode()})
    assert splits == {f"{top}2004/a.midi": "train", f"{top}2004/b.midi": "test"}


def test_our_index_comes_before_the_metadata_of_maestro():
    index = b"\xef\xbb\xbfpath,split,more\r\n./2004/a.midi,Dev,1\r\n2004/a.midi,train,2\r\n2004/none.midi,,\r\n"
    texts = {"maestro-v2.0.0.csv": CSV.encode(), "index.csv": index, "maestro-v2.0.0.json": b"{"}
    assert assign(FILES, texts) == {"2004/a.midi": "validation"}


def test_what_is_listed_and_is_not_there_is_told():
    assert assign({}, {"index.csv": b"path,split\n../../etc/x.mid,train\n"}) == {"../../etc/x.mid": "train"}


def test_an_index_is_one_for_its_folder_and_the_outermost_counts():
    texts = {"a/index.csv": b"path,split\n1.mid,train\n", "a/b/index.csv": b"path,split\n1.mid,validation\n"}
    splits = assign({"a/1.mid": HELD, "a/b/1.mid": HELD, "c/1.mid": HELD, "c/2.mid": KEPT}, texts)
    assert splits == {"a/1.mid": "train", "c/1.mid": "validation", "c/2.mid": "train"}


def test_without_an_index_the_hash_decides():
    assert assign({"a.mid": HELD, "b.mid": KEPT}, {}) == {"a.mid": "validation", "b.mid": "train"}
    assert assign({"a.mid": HELD}, {}) == {"a.mid": "train"}
    assert assign({"a.mid": HELD, "unreadable.mid": ""}, {})["unreadable.mid"] == "train"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("index.csv", b"file,split\na,train", "no column 'path'"),
        ("index.csv", b"path\na", "no column 'split'"),
        ("index.csv", b"path,split\n\xff,train", "not readable"),
        ("index.csv", b"path,split\n" + b"a" * 200_000 + b",train", "not readable: field larger than field limit"),
        ("maestro-v2.0.0.json", b"[1, 2]", "not readable"),
        ("maestro-v2.0.0.json", b"{", "not readable"),
        ("maestro-v2.0.0.json", b"[" * 100_000, "not readable"),
        ("maestro-v2.0.0.json", b'{"split": {}, "midi_filename": {"0": "a"}}', "no column '0'"),
    ],
)
def test_an_index_that_is_none_is_refused(name, text, why):
    with pytest.raises(CorpusError, match=f"{name}: {why}"):
        assign({"a": HELD}, {name: text})


def test_the_licence_is_the_title_of_the_outermost_texts():
    texts = {"x/LICENSE": b"\n# MIT License\n\nCopyright", "y/LICENCE-CC.txt": b"CC BY 4.0", "x/deep/LICENSE": b"GPL"}
    assert licence(texts) == "CC BY 4.0, MIT"
    assert licence({}) == licence({"LICENSE": b""}) == "unknown"
