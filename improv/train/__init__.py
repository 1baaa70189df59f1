"""Offline: corpora, networks, training. TensorFlow lives here."""
