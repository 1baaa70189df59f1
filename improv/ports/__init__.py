"""The process that owns the MIDI ports. Light: no numpy, no mido."""
