from improv.ports.connections import SETTLED, Changes, Patchbay

IN, OUT = "improv in:midi", "improv out:midi"
HERE = ("keys:out", "synth:in")
BOTH = {IN: ["keys:out"], OUT: ["synth:in"]}


def make(connected=None):
    """A patchbay that has seen these connections."""
    patchbay = Patchbay({})
    patchbay.look(0.0, HERE, connected or BOTH, ())
    return patchbay


def test_what_the_user_connects_is_remembered():
    patchbay = Patchbay({})
    assert patchbay.look(0.0, HERE, BOTH, ()).gained == ((IN, "keys:out"), (OUT, "synth:in"))
    assert patchbay.remembered() == BOTH
    assert patchbay.look(1.0, HERE, BOTH, ()) == Changes()


def test_a_successor_connects_what_is_there_and_waits_for_the_rest():
    patchbay = Patchbay(BOTH)
    assert patchbay.look(0.0, ["synth:in"], {}, ()) == Changes(connect=((OUT, "synth:in"),))
    assert patchbay.look(0.1, ["synth:in"], {}, ()).connect == ((OUT, "synth:in"),)  # until it is done
    assert patchbay.look(0.2, ["synth:in"], {OUT: ["synth:in"]}, ()) == Changes(gained=((OUT, "synth:in"),))
    assert patchbay.look(9.0, HERE, {OUT: ["synth:in"]}, ()).connect == ((IN, "keys:out"),)


def test_a_peer_that_goes_is_lost_once_and_connected_on_its_return():
    patchbay = make()
    assert patchbay.look(1.0, ["synth:in"], {OUT: ["synth:in"]}, ["keys"]) == Changes(lost=((IN, "keys:out"),))
    assert patchbay.look(2.0, ["synth:in"], {OUT: ["synth:in"]}, ()) == Changes()
    assert patchbay.look(3.0, HERE, {OUT: ["synth:in"]}, ()) == Changes(connect=((IN, "keys:out"),))


def test_a_peer_that_went_and_returned_between_two_looks_is_connected():
    changes = make().look(1.0, HERE, {OUT: ["synth:in"]}, ["keys"])
    assert changes == Changes(connect=((IN, "keys:out"),), lost=((IN, "keys:out"),))


def test_a_peer_on_its_way_out_is_not_forgotten():
    patchbay = make()
    assert patchbay.look(1.0, HERE, {OUT: ["synth:in"]}, ()).lost == ((IN, "keys:out"),)
    assert patchbay.look(1.01, HERE, {OUT: ["synth:in"]}, ()) == Changes()
    assert patchbay.look(1.02, ["synth:in"], {OUT: ["synth:in"]}, ["keys"]) == Changes()
    assert patchbay.remembered() == BOTH


def test_what_the_user_disconnects_is_forgotten():
    patchbay = make()
    patchbay.look(1.0, HERE, {OUT: ["synth:in"]}, ())
    assert patchbay.look(1.0 + SETTLED, HERE, {OUT: ["synth:in"]}, ()) == Changes()
    assert patchbay.remembered() == {OUT: ["synth:in"]}
    patchbay.look(3.0, ["synth:in"], {OUT: ["synth:in"]}, ["keys"])
    assert patchbay.look(4.0, HERE, {OUT: ["synth:in"]}, ()).connect == ()


def test_who_is_invited_is_connected():
    patchbay = make({OUT: ["synth:in"]})
    patchbay.invite(IN, "keys:out")
    assert patchbay.look(1.0, HERE, {OUT: ["synth:in"]}, ()).connect == ((IN, "keys:out"),)
