from improv.beat import Grid


class TempoListener:
    def __init__(self, bar: int = 4) -> None: ...

    def onset(self, at: float) -> None: ...

    def grid(self, now: float) -> Grid | None:
        return None
