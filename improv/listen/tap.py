class TapTempo:
    period: float | None = None
    last: float | None = None

    def tap(self, at: float) -> None: ...
