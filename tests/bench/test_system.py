from improv.bench.system import Mapping, alone, maps_tensorflow, parse_smaps, proportional

SMAPS = """\
5581f0000000-5581f0001000 r--p 00000000 08:01 1234                       /usr/bin/python3.11
Size:                  4 kB
Rss:                   4 kB
Pss:                   2 kB
Shared_Clean:          4 kB
VmFlags: rd mr mw me
7f0000000000-7f0000100000 rw-p 00000000 00:00 0                          [heap]
Rss:                1000 kB
Pss:                1000 kB
7f0000200000-7f0000300000 rw-s 00000000 00:1a 77                         /dev/shm/jack-0-5
Rss:              100000 kB
Pss:               50000 kB
7f0000400000-7f0000500000 rw-p 00000000 00:00 0
Rss:                   0 kB
Pss:                   0 kB
"""
KB = 1024


def test_smaps_are_read_stretch_by_stretch():
    assert parse_smaps(SMAPS) == [
        Mapping("/usr/bin/python3.11", 4 * KB, 2 * KB),
        Mapping("", 1000 * KB, 1000 * KB),
        Mapping("/dev/shm/jack-0-5", 100_000 * KB, 50_000 * KB),  # noqa: S108
    ]


def test_the_proportional_set_is_without_what_the_jack_server_shares():
    assert proportional(parse_smaps(SMAPS)) == 1002 * KB


def test_alone_a_file_counts_once_and_fully():
    assert alone([parse_smaps(SMAPS), parse_smaps(SMAPS)]) == 2004 * KB


def test_a_loaded_tensorflow_is_seen():
    assert not maps_tensorflow(parse_smaps(SMAPS))
    assert maps_tensorflow([Mapping("/x/site-packages/tensorflow/libtensorflow_framework.so.2", 1, 1)])
