"""`python -m improv` is `improv`."""

from improv.cli import main

main()
