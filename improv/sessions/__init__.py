"""What happened: journal, export, replay."""
