"""What the human is doing: notes, window, phrase. Pure."""
